/** The operations that everybody may do where no authorizer says otherwise, as bits numbered by KIP-430. Knows no request. */

const bits = (...operations: readonly number[]): number =>
  operations.reduce((sum, operation) => sum | (1 << operation), 0)

const [read, write, create, remove, alter, describe, clusterAction, describeConfigs, alterConfigs, idempotentWrite] = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
] as const

export const topicOperations: number = bits(read, write, create, remove, alter, describe, describeConfigs, alterConfigs)
export const groupOperations: number = bits(read, remove, describe, describeConfigs, alterConfigs)
export const clusterOperations: number = bits(
  create,
  alter,
  describe,
  clusterAction,
  describeConfigs,
  alterConfigs,
  idempotentWrite,
)
