/** How an answer says that a producer was fenced: clients of old versions know INVALID_PRODUCER_EPOCH only (KIP-588). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'

/** @param since the version of the API that knows PRODUCER_FENCED */
export function fencedAs(errorCode: number, version: number, since: number): number {
  const isFenced = errorCode === brokerErrorNumber('PRODUCER_FENCED')
  return isFenced && version < since ? brokerErrorNumber('INVALID_PRODUCER_EPOCH') : errorCode
}
