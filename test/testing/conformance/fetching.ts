/** Fetch, ListOffsets, OffsetForLeaderEpoch, DeleteRecords: bounds, errors, sessions, and the offsets of times. */

import { DeleteRecords } from '#src/wire/messages/delete-records.js'
import { Fetch, type FetchPartition, type FetchRequest } from '#src/wire/messages/fetch.js'
import { ListOffsets } from '#src/wire/messages/list-offsets.js'
import { OffsetForLeaderEpoch } from '#src/wire/messages/offset-for-leader-epoch.js'
import { Produce } from '#src/wire/messages/produce.js'
import type { Init } from '#src/wire/api.js'
import { batch, type BatchOptions } from './batches.js'
import type { Script, Stage } from './scripts.js'

const unknownId = 'c29tZS11bmtub3duLWlkLQ'
type Topic = { name: string; id: string }

async function fill(stage: Stage, topic: Topic, batches: readonly (readonly [number, BatchOptions])[], partition = 0) {
  for (const [count, options] of batches) {
    for (;;) {
      const { responses } = await stage.send(Produce, 13, {
        acks: -1,
        timeoutMs: 5_000,
        topicData: [{ topicId: topic.id, partitionData: [{ index: partition, records: batch(count, options) }] }],
      })
      // A fresh leader may not know yet that it is.
      if (responses[0]!.partitionResponses[0]!.errorCode === 0) break
    }
  }
}

function fetch(stage: Stage, topic: Topic) {
  return (what: string, partitions: readonly Init<FetchPartition>[], request: Init<FetchRequest> = {}, version = 17) =>
    stage.ask(what, Fetch, version, {
      maxWaitMs: 50,
      minBytes: 1,
      maxBytes: 1_000_000,
      sessionEpoch: -1,
      topics: [
        {
          ...(version >= 13 ? { topicId: topic.id } : { topic: topic.name }),
          partitions: partitions.map((partition) => ({ partitionMaxBytes: 1_000_000, ...partition })),
        },
      ],
      ...request,
    })
}

export const fetching: readonly Script[] = [
  {
    name: 'a fetch is answered within its bounds, and says what is wrong with each partition',
    async run(stage) {
      const topic = await stage.topic({ partitions: 2 })
      const size = batch(2, { valueBytes: 100 }).length
      for (const partition of [0, 1]) {
        await fill(
          stage,
          topic,
          [
            [2, { valueBytes: 100 }],
            [2, { valueBytes: 100 }],
            [2, { valueBytes: 100 }],
          ],
          partition,
        )
      }
      const say = fetch(stage, topic)
      await say('all of it', [{ partition: 0, fetchOffset: 0 }])
      for (const version of [4, 5, 7, 9, 10, 11, 12, 13, 15, 16, 18]) {
        await say(`version ${version}`, [{ partition: 0, fetchOffset: 0 }], {}, version)
      }
      await say('from inside a batch', [{ partition: 0, fetchOffset: 3 }])
      await say('the end', [{ partition: 0, fetchOffset: 6 }])
      await say('one and a half batches', [
        { partition: 0, fetchOffset: 0, partitionMaxBytes: size + Math.floor(size / 2) },
      ])
      await say('half a batch', [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 50 }])
      await say('a limit of 0', [{ partition: 0, fetchOffset: 0 }], { maxBytes: 0 })
      await say('half a batch of each', [
        { partition: 0, fetchOffset: 0, partitionMaxBytes: 50 },
        { partition: 1, fetchOffset: 0, partitionMaxBytes: 50 },
      ])
      await say(
        'two and a half batches of both',
        [
          { partition: 0, fetchOffset: 2 },
          { partition: 1, fetchOffset: 0 },
        ],
        { maxBytes: 2 * size + 100 },
      )
      await say('read committed', [{ partition: 0, fetchOffset: 0 }], { isolationLevel: 1 })
      await say('beyond the end', [{ partition: 0, fetchOffset: 500 }])
      await say('no such partition', [{ partition: 7, fetchOffset: 0 }])
      await say('no such partition, by name', [{ partition: 7, fetchOffset: 0 }], {}, 12)
      await fetch(stage, { name: 'nobody', id: unknownId })('no such topic', [{ partition: 0, fetchOffset: 0 }])
      await fetch(stage, { name: 'nobody', id: '' })(
        'no such topic, by name',
        [{ partition: 0, fetchOffset: 0 }],
        {},
        12,
      )
      await say('the known leader epoch', [{ partition: 0, fetchOffset: 0, currentLeaderEpoch: 0 }])
      await say('an unknown leader epoch', [{ partition: 0, fetchOffset: 0, currentLeaderEpoch: 7 }])
      await say('the last fetched epoch', [{ partition: 0, fetchOffset: 2, lastFetchedEpoch: 0 }])
      await say('an unknown last fetched epoch', [{ partition: 0, fetchOffset: 2, lastFetchedEpoch: 5 }])
    },
  },
  {
    name: 'a session tells only what is new',
    async run(stage) {
      const topic = await stage.topic({ partitions: 2 })
      await fill(stage, topic, [[1, {}]])
      const say = fetch(stage, topic)
      const both = [
        { partition: 0, fetchOffset: 0 },
        { partition: 1, fetchOffset: 0 },
      ]
      const { sessionId } = await stage.send(Fetch, 17, {
        maxWaitMs: 10,
        maxBytes: 1_000_000,
        topics: [{ topicId: topic.id, partitions: both.map((each) => ({ partitionMaxBytes: 1_000_000, ...each })) }],
      })
      stage.transcript.note('there is a session', sessionId > 0)
      const next = (what: string, sessionEpoch: number, more: Init<FetchRequest> = {}) =>
        stage
          .send(Fetch, 17, {
            maxWaitMs: 10,
            minBytes: 1,
            maxBytes: 1_000_000,
            sessionId,
            sessionEpoch,
            topics: [],
            ...more,
          })
          .then(({ sessionId: said, ...rest }) => {
            stage.transcript.note(what, { ...rest, session: said === sessionId ? 'the same' : said })
          })
      await next('the same again', 1)
      const read = [{ topicId: topic.id, partitions: [{ partition: 0, fetchOffset: 1, partitionMaxBytes: 1_000 }] }]
      await next('moved on', 2, { topics: read })
      await fill(stage, topic, [[1, {}]], 1)
      await next('a record in the other', 3)
      await next('a wrong epoch', 3)
      await next('a forgotten partition', 4, { forgottenTopicsData: [{ topicId: topic.id, partitions: [1] }] })
      await next('nothing', 5)
      await say('another session', both, { sessionId: sessionId === 5 ? 6 : 5, sessionEpoch: 5 })
      await next('by name', 6, {})
      await say('closed', both, { sessionId, sessionEpoch: -1 })
      await next('after its end', 7)
    },
  },
  {
    name: 'offsets of times, of ends and of epochs',
    async run(stage) {
      const topic = await stage.topic()
      const list = (what: string, timestamp: number, version: number, more: object = {}) =>
        stage.ask(what, ListOffsets, version, {
          replicaId: -1,
          topics: [{ name: topic.name, partitions: [{ partitionIndex: 0, timestamp, ...more }] }],
        })
      await list('latest of an empty log', -1, 11)
      await list('earliest of an empty log', -2, 11)
      await list('highest of an empty log', -3, 11)
      await list('a time in an empty log', 5, 11)
      await fill(stage, topic, [
        [3, { timestamp: 1_000 }],
        [3, { timestamp: 5_000 }],
        [3, { timestamp: 2_000 }],
      ])
      await list('latest', -1, 11)
      await list('latest, version 1', -1, 1)
      await list('latest, version 4', -1, 4)
      await list('earliest', -2, 11)
      await list('highest', -3, 11)
      await list('highest, version 6', -3, 6)
      await list('local', -4, 11)
      await list('tiered', -5, 11)
      await list('pending upload', -6, 11)
      await list('unheard of', -7, 11)
      await list('before all', 0, 11)
      await list('the first', 1_000, 11)
      await list('inside a batch', 1_001, 11)
      await list('between batches', 1_500, 11)
      await list('only in the second', 5_001, 11)
      await list('after all', 6_000, 11)
      await list('a known epoch', -1, 11, { currentLeaderEpoch: 0 })
      await list('an unknown epoch', -1, 11, { currentLeaderEpoch: 4 })
      await stage.ask('no such partition', ListOffsets, 11, {
        replicaId: -1,
        topics: [{ name: topic.name, partitions: [{ partitionIndex: 3, timestamp: -1 }] }],
      })
      const end = (what: string, leaderEpoch: number, currentLeaderEpoch = -1) =>
        stage.ask(what, OffsetForLeaderEpoch, 4, {
          replicaId: -1,
          topics: [{ topic: topic.name, partitions: [{ partition: 0, leaderEpoch, currentLeaderEpoch }] }],
        })
      await end('the end of epoch 0', 0)
      await end('the end of epoch 5', 5)
      await end('asked with an unknown epoch', 0, 9)
      const cut = (what: string, offset: number) =>
        stage.ask(what, DeleteRecords, 2, {
          timeoutMs: 5_000,
          topics: [{ name: topic.name, partitions: [{ partitionIndex: 0, offset }] }],
        })
      await cut('deleted up to 4', 4)
      await cut('deleted up to 2', 2)
      await cut('deleted up to 100', 100)
      await list('earliest after that', -2, 11)
      await list('before all after that', 0, 11)
      await fetch(stage, topic)('what was deleted', [{ partition: 0, fetchOffset: 2 }])
      await fetch(stage, topic)('from the new start', [{ partition: 0, fetchOffset: 4 }])
      await cut('deleted all', -1)
      await list('earliest after all', -2, 11)
    },
  },
]
