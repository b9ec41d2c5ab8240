/**
 * An in-process Kafka cluster for tests: `import { TestCluster } from 'jackdaw/testing'`.
 *
 * Real sockets, the real protocol, brokers that may be told to fail; no Java, nothing on disk. See docs/testing.md.
 */

export { TestCluster } from './test-cluster.ts'
export type { TestClusterOptions, TestTopicOptions } from './test-cluster-options.ts'
export type { Control, ControlAnswer, ControlContext, ControlOptions } from './controls.ts'
export type {
  TestAbortedTransaction,
  TestBroker,
  TestCommittedOffset,
  TestGroup,
  TestGroupMember,
  TestPartition,
  TestRecord,
  TestTopic,
  TestTransaction,
} from './inspection.ts'
export type { KnownProducer, ProducerIdentity } from './producer-states.ts'
export type { MarkerFilter } from './transaction-coordination/marker-writer.ts'
export type { TransactionState } from './transaction-coordination/transaction.ts'
export type { SeenRequest } from './request-log.ts'
export type { LogBatch } from './partition-log.ts'
export type { GroupState } from './groups/classic-group.ts'
export { listenOnSocket, type Listen, type Listener, type ServerConnection } from './listener.ts'
export * from './simulation/index.ts'
