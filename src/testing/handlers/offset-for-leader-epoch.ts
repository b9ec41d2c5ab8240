/** OffsetForLeaderEpoch: where a leader epoch ended, by which a consumer sees whether it read what is no longer there (KIP-320). */

import { brokerErrorNumber } from '../../errors/broker-error.ts'
import { OffsetForLeaderEpoch } from '../../wire/messages/offset-for-leader-epoch.ts'
import { defineHandler, type AnyHandler } from './handler.ts'
import { readable } from './readable.ts'

export const offsetForLeaderEpoch: AnyHandler = defineHandler({
  api: OffsetForLeaderEpoch,
  minVersion: 2,
  maxVersion: 4,

  handle: ({ topics }, { state, brokerId }) => ({
    topics: topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition: index, currentLeaderEpoch, leaderEpoch }) => {
        const partition = state.partition(topic, index)
        const errorCode =
          partition === undefined
            ? brokerErrorNumber('UNKNOWN_TOPIC_OR_PARTITION')
            : readable(partition, currentLeaderEpoch, brokerId, 'the leader')
        if (partition === undefined || errorCode !== 0) return { partition: index, errorCode }
        const { epoch, endOffset } = partition.log.endOfEpoch(leaderEpoch, partition.leaderEpoch)
        return { partition: index, leaderEpoch: epoch, endOffset }
      }),
    })),
  }),

  refuse: ({ topics }, errorCode) => ({
    topics: topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => ({ partition, errorCode })),
    })),
  }),
})
