/** The public API, in the order a newcomer meets it. Nothing else: what is not here is nobody's to import. */

export { Producer } from './producer/producer.ts'
export type { CompressionChoice, CompressionName, ProducerOptions } from './producer/producer-options.ts'
export type {
  BatchRecord,
  ProducerRecord,
  RecordBytes,
  RecordHeadersInit,
  RecordMetadata,
} from './producer/producer-record.ts'
export type { Partitioner, PartitionerContext, PartitionerFunction } from './producer/partitioner.ts'
export type { SendBatchResult } from './producer/batch-delivery.ts'
export type { ProducerMetrics } from './producer/producer-metrics.ts'
export {
  DeliveryError,
  SendBatchError,
  type DeliveryFailure,
  type SendBatchFailure,
} from './producer/delivery-errors.ts'

export { TransactionalProducer, type TransactionalProducerMetrics } from './transactions/transactional-producer.ts'
export type { TransactionalProducerOptions } from './transactions/transactional-producer-options.ts'
export type { Transaction } from './transactions/transaction.ts'

export { Consumer } from './consumer/consumer.ts'
export type {
  CloseOptions,
  ConsumerMetrics,
  GetManyOptions,
  GetOneOptions,
  OffsetAndTimestamp,
  TimestampQuery,
} from './consumer/consumer.ts'
export type { AssignorName, AutoOffsetReset, ConsumerOptions, IsolationLevel } from './consumer/consumer-options.ts'
export type { OnDeserializationError } from './consumer/record-deserializer.ts'
export type { RebalanceListener } from './consumer/assignment-host.ts'
export type { ConsumerRecord } from './consumer/consumer-record.ts'
export type { FetchedRecords } from './consumer/fetched-records.ts'

export { Admin, type AdminOptions } from './admin/admin.ts'
export type { AdminCallOptions } from './admin/admin-call.ts'
export type { Result } from './admin/result.ts'
export type { CreatedTopic, CreateTopicResult, CreateTopicsOptions, NewTopic } from './admin/create-topics.ts'
export type { DeleteTopicResult, DeleteTopicsOptions } from './admin/delete-topics.ts'
export type { ListTopicsOptions, TopicListing } from './admin/list-topics.ts'
export type {
  DescribeTopicResult,
  DescribeTopicsOptions,
  PartitionDescription,
  TopicDescription,
} from './admin/describe-topics.ts'
export type { TopicReference } from './admin/topic-names.ts'
export type { CreatePartitionsOptions, CreatePartitionsResult, NewPartitions } from './admin/create-partitions.ts'
export type { BrokerDescription, ClusterDescription, DescribeClusterOptions } from './admin/describe-cluster.ts'
export type { AclOperation } from './admin/authorized-operations.ts'
export type {
  ConfigQuery,
  ConfigSynonym,
  DescribeConfigsOptions,
  DescribeConfigsResult,
  DescribedConfigEntry,
} from './admin/describe-configs.ts'
export type {
  ConfigAlteration,
  ConfigOperation,
  IncrementalAlterConfigsOptions,
  IncrementalAlterConfigsResult,
} from './admin/alter-configs.ts'
export type { ConfigResource, ConfigResourceType } from './admin/config-resources.ts'
export type { ConfigEntry, ConfigSource, ConfigType, ConfigValue } from './admin/config-values.ts'

export { deserializers, serializers, type Deserializers, type Serializers } from './model/standard-serdes.ts'
export type {
  DeserializeFunction,
  Deserializer,
  DeserializerObject,
  SerdeHeaders,
  SerdeHeaderValue,
  SerializedBytes,
  SerializeFunction,
  Serializer,
  SerializerObject,
} from './model/serde.ts'
export type { ConsumerInterceptor, InterceptedRecord, Interceptor, ProducerInterceptor } from './model/interceptor.ts'

export {
  Cluster,
  type MetadataListener,
  type RefreshOptions,
  type TopicOptions,
  type VersionsOptions,
} from './cluster/cluster.ts'
export type { ClusterOptions, DialTarget } from './cluster/cluster-options.ts'
export type { HostAndPort } from './network/address.ts'
export type { BrokerVersions, VersionRange, VersionWish } from './network/api-versions.ts'
export type { BrokerAddress, MetadataSnapshot, PartitionMetadata, TopicMetadata } from './cluster/metadata.ts'
export type { CoordinatorType, Lane, Target } from './cluster/target.ts'
export type { RequestInit, RetryOptions, SendOptions } from './cluster/send-options.ts'
export type { Remedy } from './cluster/remedy.ts'
export type { WaitOptions } from './async/wait.ts'

export type { TopicPartition } from './model/topic-partition.ts'
export type { OffsetAndMetadata, TopicPartitionOffset } from './model/offset-and-metadata.ts'
export type { ConsumerGroupMetadata } from './model/consumer-group-metadata.ts'
export type { RecordHeader, TimestampType } from './model/record-header.ts'

export { KafkaError, type KafkaErrorOptions, type Persistence } from './errors/kafka-error.ts'
export { BrokerError } from './errors/broker-error.ts'
export type { BrokerErrorCode } from './errors/broker-error-codes.ts'
export {
  AuthenticationError,
  BufferFullError,
  ClosedError,
  ConnectionError,
  CorruptRecordError,
  DeserializationError,
  FencedError,
  IllegalStateError,
  InvalidArgumentError,
  InvalidOptionError,
  NoOffsetError,
  ProtocolError,
  SerializationError,
  TimeoutError,
  TransactionAbortedError,
  TransactionOutcomeUnknownError,
  UnsupportedCodecError,
  UnsupportedVersionError,
  type UndeserializedRecord,
} from './errors/errors.ts'

export type { Logger } from './diagnostics/logger.ts'
