/** Why one thing among those of a request is not done, thrown by what checks it and caught by what answers. */

import type { BrokerErrorCode } from '../../errors/broker-error-codes.ts'

export class Refusal extends Error {
  readonly code: BrokerErrorCode

  constructor(code: BrokerErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
