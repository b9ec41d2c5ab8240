/** What the user who asks may do to a topic or to the cluster: a broker's bits as words (KIP-430). */

/** An operation that an ACL can allow. */
export type AclOperation = (typeof operations)[number]

// By Kafka's number, which is also the number of the bit.
const operations = [
  'unknown',
  'any',
  'all',
  'read',
  'write',
  'create',
  'delete',
  'alter',
  'describe',
  'cluster-action',
  'describe-configs',
  'alter-configs',
  'idempotent-write',
  'create-tokens',
  'describe-tokens',
  'two-phase-commit',
] as const

const notTold = -2_147_483_648

/** Null when the broker was not asked or does not tell. */
export function authorizedOperations(bits: number): readonly AclOperation[] | null {
  if (bits === notTold) return null
  return operations.filter((_, bit) => (bits & (1 << bit)) !== 0)
}
