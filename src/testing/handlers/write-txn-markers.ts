/** WriteTxnMarkers: ends a transaction in partitions, whatever its coordinator thinks of it. Brokers send it, and administrators
 *  who end one that hangs (KIP-664). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import {
  WriteTxnMarkers,
  type WritableTxnMarker,
  type WriteTxnMarkersResponse,
} from '../../wire/messages/write-txn-markers.ts'
import type { Init } from '../../wire/api.ts'
import { defineHandler, type AnyHandler, type RequestContext } from './handler.ts'

export const writeTxnMarkers: AnyHandler = defineHandler({
  api: WriteTxnMarkers,
  minVersion: 1,
  maxVersion: 2,

  handle: ({ markers }, context) =>
    answer(markers, (marker, topic, partition) => write(marker, topic, partition, context)),

  refuse: ({ markers }, errorCode) => answer(markers, () => errorCode),
})

/** @returns an error code */
function write(marker: WritableTxnMarker, topic: string, index: number, context: RequestContext): number {
  const { state, transactions, brokerId } = context
  const { producerId, producerEpoch, coordinatorEpoch, transactionVersion, transactionResult: commits } = marker
  const partition = state.partition(topic, index)
  if (partition?.replicas.includes(brokerId) !== true) return brokerErrorNumber('UNKNOWN_TOPIC_OR_PARTITION')
  if (partition.leaderId !== brokerId) return brokerErrorNumber('NOT_LEADER_OR_FOLLOWER')
  // Kafka builds a batch of it, and such a batch there is not.
  if (producerEpoch < 0) return brokerErrorNumber('UNKNOWN_SERVER_ERROR')
  const said = { producerId, producerEpoch, coordinatorEpoch, transactionVersion, commits }
  return transactions.markers.writeNow(partition, said)
}

function answer(
  markers: readonly WritableTxnMarker[],
  errorOf: (marker: WritableTxnMarker, topic: string, partition: number) => number,
): Init<WriteTxnMarkersResponse> {
  return {
    markers: markers.map((marker) => ({
      producerId: marker.producerId,
      topics: marker.topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => ({
          partitionIndex,
          errorCode: errorOf(marker, name, partitionIndex),
        })),
      })),
    })),
  }
}
