/** What a broker answers with a code: the error, and the questions that can be asked of a code. */

import { brokerErrorTable, type BrokerErrorCode } from './broker-error-codes.ts'
import { KafkaError, type KafkaErrorOptions } from './kafka-error.ts'

interface Row {
  readonly name: BrokerErrorCode
  readonly isRetriable: boolean
}

const byNumber: ReadonlyMap<number, Row> = new Map(
  brokerErrorTable.map(([number, name, isRetriable]) => [number, { name, isRetriable }]),
)
const byName: ReadonlyMap<string, number> = new Map(brokerErrorTable.map(([number, name]) => [name, number]))

/** The name of a code of a newer Kafka than Jackdaw knows. */
export type UnknownErrorCode = `UNKNOWN_ERROR_CODE_${number}`

/**
 * A broker refused something, and said why with one of Kafka's error codes.
 *
 * `code` is Kafka's name of the code, for instance `NOT_LEADER_OR_FOLLOWER`; `retriable` is as Kafka has it, whether
 * the same request may succeed when it is made again.
 */
export class BrokerError extends KafkaError {
  /** Kafka's number of the code. */
  readonly errorCode: number

  /**
   * @param errorCode the number that the broker answered with
   * @param what what was refused, as the beginning of a sentence: `the broker did not create topic 'orders'`
   * @param options `brokerMessage`: the broker's own words, where it gave any
   */
  constructor(errorCode: number, what: string, options: KafkaErrorOptions & { brokerMessage?: string | null } = {}) {
    const { brokerMessage, ...rest } = options
    const name = brokerErrorName(errorCode)
    const words =
      brokerMessage === undefined || brokerMessage === null || brokerMessage === '' ? '' : ` (${brokerMessage})`
    super(name, `${what}: ${name}${words}`, isRetriable(errorCode), rest)
    this.errorCode = errorCode
  }
}

/** Kafka's name of an error code; `UNKNOWN_ERROR_CODE_n` for a number that Jackdaw does not know. */
export function brokerErrorName(errorCode: number): BrokerErrorCode | UnknownErrorCode {
  return byNumber.get(errorCode)?.name ?? `UNKNOWN_ERROR_CODE_${errorCode}`
}

/** Kafka's number of a named error code. */
export function brokerErrorNumber(name: BrokerErrorCode): number {
  const number = byName.get(name)
  if (number === undefined) throw new TypeError(`'${name}' is not the name of an error code`)
  return number
}

/** Whether Kafka calls the error passing. An unknown code is not known to pass. */
export function isRetriable(errorCode: number): boolean {
  return byNumber.get(errorCode)?.isRetriable ?? false
}
