/** Brokers that negotiate well and then answer badly: each bends one thing about a broker that is otherwise in order. */

import { encodeResponse } from '#src/wire/frame.js'
import type { Init } from '#src/wire/api.js'
import { Fetch, type FetchResponse, type PartitionData } from '#src/wire/messages/fetch.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { JoinGroup } from '#src/wire/messages/join-group.js'
import { ListOffsets } from '#src/wire/messages/list-offsets.js'
import { Metadata, type MetadataResponse } from '#src/wire/messages/metadata.js'
import { OffsetFetch } from '#src/wire/messages/offset-fetch.js'
import { Produce } from '#src/wire/messages/produce.js'
import { SyncGroup } from '#src/wire/messages/sync-group.js'
import { gzip } from '#src/wire/compression/gzip.js'
import { crc32c } from '#src/wire/records/crc32c.js'
import { RecordBatchBuilder } from '#src/wire/records/record-batch-builder.js'
import type { Listen } from '#src/testing/listener.js'
import type { Simulation } from '#src/testing/simulation/index.js'
import { LogKeeper } from '../producer/log-keeper.ts'
import { batchOf, ScriptedLogs } from '../consumer/scripted-logs.ts'
import type { RequestContext } from '../support/scripted-broker.ts'
import { topic, type ClientKind, type Setting } from './world.ts'

/** What the call comes to: an error that tells the cause; nothing in time, while the logger is told the cause; records, as
 *  `offset=value`; or what it should be, unharmed. */
export type Expectation = 'fails' | 'waits' | 'done' | readonly string[]

export interface BadAnswer {
  readonly name: string
  /** What becomes of each kind of client that meets it. */
  readonly meets: Partial<Record<ClientKind, Expectation>>
  /** What is told of the cause, in the error or to the logger, with the place. */
  readonly cause?: RegExp
  readonly bend: (logs: ScriptedLogs, simulation: Simulation) => unknown
  /** Its answers are progress of a kind, so that there is no reason to wait between them. */
  readonly isBusy?: boolean
}

/** A broker with two records in the topic, and then bent; on the simulation's own network unless another is given. */
export function brokerSetting({ bend }: Pick<BadAnswer, 'bend'>, listen?: Listen): Setting {
  return async (simulation) => {
    const { clock } = simulation
    const logs = await ScriptedLogs.start(
      { [topic]: 1 },
      { listen: listen ?? simulation.listen, clock, hangsUpOnNonsense: listen !== undefined },
    )
    const keeper = new LogKeeper(logs.cluster.state)
    logs.cluster.on(Produce, keeper.handler)
    logs.append(topic, 0, ['a', 'b'])
    bend(logs, simulation)
    return { bootstrapServers: logs.address, requests: () => logs.cluster.brokers[0]!.received.length }
  }
}

/** The metadata as it would be, with changes. */
function metadata(change: (response: MetadataResponse, context: RequestContext) => unknown): BadAnswer['bend'] {
  return (logs) => {
    logs.cluster.on(Metadata, (request, context) => {
      const response = logs.cluster.state.metadata(request, context.version) as MetadataResponse
      return (change(response, context) ?? response) as Init<MetadataResponse>
    })
  }
}

/** One partition's answer to Fetch, whatever is asked for. */
function partition(data: Init<PartitionData> | ((offset: number) => Init<PartitionData>)): BadAnswer['bend'] {
  return (logs) => {
    logs.script = ({ offset }) => ({
      highWatermark: 100,
      lastStableOffset: 100,
      logStartOffset: 0,
      ...(typeof data === 'function' ? data(offset) : data),
    })
  }
}

function records(...parts: Uint8Array[]): BadAnswer['bend'] {
  return partition({ records: Buffer.concat(parts) })
}

/** A batch with some bytes of its header changed, and the checksum to fit. */
function forged(change: (bytes: Buffer) => void, values: readonly string[] = ['a', 'b'], baseOffset = 0): Buffer {
  const bytes = batchOf(baseOffset, values)
  change(bytes)
  bytes.writeUInt32BE(crc32c(bytes, 21), 17)
  return bytes
}

/** A few hundred bytes that say they are a gigabyte, or really unpack to one. */
function bomb(): Buffer {
  const builder = new RecordBatchBuilder({ sizeLimit: 200_000_000 })
  builder.append(1_700_000_000_000, null, Buffer.alloc(150_000_000))
  return Buffer.from(builder.seal({ codec: gzip }))
}

/** An answer with raw bytes for its body. */
function raw({ correlationId }: RequestContext, body: Uint8Array): Buffer {
  const frame = Buffer.alloc(8)
  frame.writeInt32BE(4 + body.length)
  frame.writeInt32BE(correlationId, 4)
  return Buffer.concat([frame, body])
}

/** What compaction leaves of a batch whose records are all gone: a header. The checksum leaves the base offset out. */
const emptyBatch = forged((bytes) => {
  bytes.writeInt32BE(49, 8)
  bytes.writeInt32BE(0, 57)
}).subarray(0, 61)
emptyBatch.writeUInt32BE(crc32c(emptyBatch, 21), 17)

const noise = Buffer.from(Array.from({ length: 200 }, (_, i) => (i * 89 + 41) & 0xff))

export const badAnswers: readonly BadAnswer[] = [
  // Metadata
  {
    name: 'knows of no brokers',
    cause: /bootstrap servers broker-1:40001 answer, but know of no brokers/,
    meets: { cluster: 'fails', producer: 'fails', consumer: 'fails', admin: 'fails' },
    bend: metadata((response) => ({ ...response, brokers: [] })),
  },
  {
    name: 'names brokers whose host does not exist',
    cause: /broker 1 at nowhere\.example:9092: the host name has no address/,
    meets: { producer: 'fails', consumer: 'waits', group: 'waits', admin: 'fails' },
    bend: metadata((response) => ({ ...response, brokers: [{ nodeId: 1, host: 'nowhere.example', port: 9092 }] })),
  },
  {
    name: 'names brokers at which nobody listens',
    cause: /broker 1 at broker-1:1: nothing listens there \(connection refused\)/,
    meets: { producer: 'fails', consumer: 'waits', group: 'waits', admin: 'fails' },
    bend: metadata((response) => ({ ...response, brokers: [{ nodeId: 1, host: 'broker-1', port: 1 }] })),
  },
  {
    name: 'names brokers at ports that do not exist',
    cause: /could not connect to broker 1 at :-5/,
    meets: { producer: 'fails', consumer: 'waits', admin: 'fails' },
    bend: metadata((response) => ({ ...response, brokers: [{ nodeId: 1, host: '', port: -5 }] })),
  },
  {
    name: 'says that a broker leads which is not in its list',
    cause: /broker 77 is not in the metadata of the cluster/,
    meets: { producer: 'fails', consumer: 'waits', admin: 'done' },
    bend: (logs) => {
      logs.cluster.state.moveLeader(topic, 0, 77)
    },
  },
  {
    name: 'says for ever that there is no leader',
    cause: /partition 0 of 'orders' has no leader/,
    meets: { producer: 'fails', consumer: 'waits', admin: 'done' },
    bend: (logs) => {
      logs.cluster.state.moveLeader(topic, 0, -1)
    },
  },
  {
    name: 'has a topic without partitions',
    cause:
      /'orders' (was not there within 8000 ms|does not exist, or is not known yet|was assigned, and has not been there for 8000 ms)/,
    meets: { producer: 'fails', consumer: 'fails', group: 'waits', admin: 'done' },
    bend: metadata((response) => ({
      ...response,
      topics: response.topics.map((one) => ({ ...one, partitions: [] })),
    })),
  },
  {
    name: 'numbers a partition below zero',
    cause: /the metadata of 'orders' has 1 partitions, yet numbers one of them -1/,
    meets: { producer: 'fails', consumer: 'waits', group: 'waits', admin: 'done' },
    bend: metadata((response) => ({
      ...response,
      topics: response.topics.map((one) => ({
        ...one,
        partitions: one.partitions.map((p) => ({ ...p, partitionIndex: -1 })),
      })),
    })),
  },
  {
    name: 'numbers a partition two billion',
    cause: /the metadata of 'orders' has 1 partitions, yet numbers one of them 2147483647/,
    meets: { producer: 'fails', consumer: 'waits' },
    bend: metadata((response) => ({
      ...response,
      topics: response.topics.map((one) => ({
        ...one,
        partitions: one.partitions.map((p) => ({ ...p, partitionIndex: 0x7fff_ffff })),
      })),
    })),
  },
  {
    name: 'names a partition twice',
    cause: /the metadata of 'orders' has 2 partitions, yet numbers one of them 0/,
    meets: { producer: 'fails', consumer: 'waits' },
    bend: metadata((response) => ({
      ...response,
      topics: response.topics.map((one) => ({ ...one, partitions: [...one.partitions, ...one.partitions] })),
    })),
  },
  {
    name: 'names a topic and a broker twice, at two addresses',
    meets: { cluster: 'done', producer: 'done', consumer: ['0=a', '1=b'] },
    bend: metadata((response) => ({
      ...response,
      brokers: [{ nodeId: 1, host: 'elsewhere.example', port: 1 }, ...response.brokers],
      topics: [...response.topics, ...response.topics],
    })),
  },
  {
    name: 'leaves out the topic it was asked for',
    cause: /topic 'orders' (was not there within 8000 ms|does not exist, or is not known yet)/,
    meets: { producer: 'fails', consumer: 'waits', group: 'waits', admin: 'done' },
    bend: metadata((response) => ({ ...response, topics: [] })),
  },
  {
    name: 'answers for a topic that nobody asked for',
    cause: /topic 'orders' (was not there within 8000 ms|does not exist, or is not known yet)/,
    meets: { producer: 'fails', consumer: 'waits' },
    bend: metadata((response) => ({ ...response, topics: response.topics.map((one) => ({ ...one, name: 'bills' })) })),
  },
  {
    name: 'has an error of the topic that nobody knows',
    cause: /topic 'orders' cannot be written to: UNKNOWN_SERVER_ERROR/,
    meets: { producer: 'fails', consumer: ['0=a', '1=b'], group: ['0=a', '1=b'] },
    bend: metadata((response) => ({ ...response, topics: response.topics.map((one) => ({ ...one, errorCode: 999 })) })),
  },
  {
    name: 'has noise for metadata',
    cause: /broker-1:40001 to Metadata version \d+ cannot be read: malformed Metadata response/,
    meets: { cluster: 'fails', producer: 'fails', consumer: 'fails', admin: 'fails' },
    bend: metadata((_, context) => raw(context, noise)),
  },
  {
    name: 'announces a billion brokers',
    cause: /broker-1:40001 to Metadata .* an array of 1073741822 elements is longer than Jackdaw reads/,
    meets: { cluster: 'fails', producer: 'fails', consumer: 'fails', admin: 'fails' },
    bend: metadata((_, context) => raw(context, Buffer.from([0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x03]))),
  },

  // Produce
  {
    name: 'says nothing of the partition in its answer to Produce',
    cause: /broker 1 said nothing of partition 0 of 'orders' in its answer/,
    meets: { producer: 'fails' },
    bend: (logs) => logs.cluster.on(Produce, () => ({ responses: [] })),
  },
  {
    name: 'answers Produce for other partitions only',
    cause: /broker 1 said nothing of partition 0 of 'orders' in its answer/,
    meets: { producer: 'fails' },
    bend: (logs) =>
      logs.cluster.on(Produce, ({ topicData }) => ({
        responses: topicData.map(({ name, topicId }) => ({
          name,
          topicId,
          partitionResponses: [{ index: 5 }, { index: -1 }],
        })),
      })),
  },
  {
    name: 'answers Produce for another topic',
    cause: /broker 1 said nothing of partition 0 of 'orders' in its answer/,
    meets: { producer: 'fails' },
    bend: (logs) =>
      logs.cluster.on(Produce, () => ({
        responses: [{ topicId: Buffer.alloc(16, 9).toString('base64url'), partitionResponses: [{ index: 0 }] }],
      })),
  },
  {
    name: 'refuses Produce with a code that nobody knows',
    cause: /partition 0 of 'orders' did not take a record: UNKNOWN_ERROR_CODE_999/,
    meets: { producer: 'fails' },
    bend: (logs) =>
      logs.cluster.on(Produce, ({ topicData }) => ({
        responses: topicData.map(({ name, topicId }) => ({
          name,
          topicId,
          partitionResponses: [{ index: 0, errorCode: 999 }],
        })),
      })),
  },
  {
    name: 'blames records that were not in the batch',
    cause: /partition 0 of 'orders' did not take a record: INVALID_RECORD/,
    meets: { producer: 'fails' },
    bend: (logs) =>
      logs.cluster.on(Produce, ({ topicData }) => ({
        responses: topicData.map(({ name, topicId }) => ({
          name,
          topicId,
          partitionResponses: [
            {
              index: 0,
              errorCode: 87,
              recordErrors: [{ batchIndex: 4_000, batchIndexErrorMessage: 'bad' }, { batchIndex: -1 }],
            },
          ],
        })),
      })),
  },
  {
    name: 'has noise for an answer to Produce',
    cause: /broker 1 at broker-1:40001 to Produce version \d+ cannot be read: malformed Produce response/,
    meets: { producer: 'fails' },
    bend: (logs) => logs.cluster.on(Produce, (_, context) => raw(context, noise)),
  },
  {
    name: 'gives half an answer to Produce and closes',
    cause: /failed \d+ times, lastly: the connection to broker 1 at broker-1:40001 ended before it answered Produce/,
    meets: { producer: 'fails' },
    bend: (logs) =>
      logs.cluster.on(Produce, (_, { socket }) => {
        socket.write(Buffer.from([0, 0, 1, 0, 0, 0]), () => socket.destroy())
        return 'silence'
      }),
  },
  {
    name: 'never answers Produce',
    cause: /not acknowledged within 12000 ms: .*broker 1 at broker-1:40001 did not answer Produce within 3000 ms/,
    meets: { producer: 'fails' },
    bend: (logs) => logs.cluster.on(Produce, () => 'silence'),
  },
  {
    name: 'sends every batch to another leader that does not exist',
    cause: /failed \d+ times, lastly: broker 66 (is not in the metadata of the cluster|at nowhere\.example:9092)/,
    meets: { producer: 'fails' },
    bend: (logs) => {
      let epoch = 10
      logs.cluster.on(Produce, ({ topicData }) => ({
        responses: topicData.map(({ name, topicId }) => ({
          name,
          topicId,
          partitionResponses: [{ index: 0, errorCode: 6, currentLeader: { leaderId: 66, leaderEpoch: epoch++ } }],
        })),
        nodeEndpoints: [{ nodeId: 66, host: 'nowhere.example', port: 9092 }],
      }))
    },
  },

  // Fetch
  {
    name: 'answers Fetch for topics that nobody asked for',
    cause: /broker 1 said nothing of partition 0 of 'orders'/,
    meets: { consumer: 'waits' },
    bend: (logs) =>
      logs.cluster.on(Fetch, async (_, { version }): Promise<Init<FetchResponse>> => {
        const partitions = [{ partitionIndex: 0, records: batchOf(0, ['alien']), highWatermark: 1 }]
        const topicId = Buffer.alloc(16, 9).toString('base64url')
        return { responses: [version >= 13 ? { topicId, partitions } : { topic: 'aliens', partitions }] }
      }),
  },
  {
    name: 'answers Fetch for partitions that nobody asked for',
    cause: /broker 1 said nothing of partition 0 of 'orders'/,
    meets: { consumer: 'waits' },
    bend: (logs) =>
      logs.cluster.on(Fetch, ({ topics }) => ({
        responses: topics.map(({ topic: name, topicId }) => ({
          topic: name,
          topicId,
          partitions: [
            { partitionIndex: 9, records: batchOf(0, ['alien']) },
            { partitionIndex: -1, errorCode: 3 },
          ],
        })),
      })),
  },
  {
    name: 'says nothing in its answers to Fetch',
    cause: /broker 1 said nothing of partition 0 of 'orders'/,
    meets: { consumer: 'waits' },
    bend: (logs) => logs.cluster.on(Fetch, () => ({})),
  },
  {
    name: 'has noise for records',
    cause:
      /the records of partition 0 of 'orders' from offset 0 on cannot be read: a record batch begins at offset \d+ is outside 0 to 2\^53/,
    meets: { consumer: 'fails', group: 'fails' },
    bend: records(noise),
  },
  {
    name: 'has records with a wrong checksum',
    cause: /partition 0 of 'orders' from offset 0 on cannot be read; seek to 2 to pass them: .* has checksum/,
    meets: { consumer: 'fails', group: 'fails' },
    bend: (logs, simulation) => {
      const bytes = batchOf(0, ['a', 'b'])
      bytes[70]! ^= 1
      records(bytes)(logs, simulation)
    },
  },
  {
    name: 'has a batch of magic 7',
    cause: /partition 0 of 'orders' from offset 0 on cannot be read: .* has magic 7/,
    meets: { consumer: 'fails' },
    bend: records(forged((bytes) => bytes.writeInt8(7, 16))),
  },
  {
    name: 'has a batch of negative length',
    cause: /partition 0 of 'orders' from offset 0 on cannot be read: .* has a size of -1 bytes/,
    meets: { consumer: 'fails' },
    bend: records(forged((bytes) => bytes.writeInt32BE(-1, 8))),
  },
  {
    name: 'has a batch that announces two gigabytes',
    cause:
      /partition 0 of 'orders' from offset 0 on cannot be read: .* 2147483659 bytes, and maxResponseBytes is 134217728/,
    meets: { consumer: 'fails' },
    bend: records(forged((bytes) => bytes.writeInt32BE(0x7fff_ffff, 8))),
  },
  {
    name: 'has a batch at a negative offset',
    cause: /partition 0 of 'orders' from offset 0 on cannot be read: .* offset -7 is outside/,
    meets: { consumer: 'fails' },
    bend: records(forged((bytes) => bytes.writeBigInt64BE(-7n, 0))),
  },
  {
    name: 'has a batch at an offset beyond what numbers can count',
    cause: /partition 0 of 'orders' from offset 0 on cannot be read: .* is outside 0 to 2\^53/,
    meets: { consumer: 'fails' },
    bend: records(forged((bytes) => bytes.writeBigInt64BE(2n ** 62n, 0))),
  },
  {
    name: 'has a batch that ends before it begins',
    cause: /partition 0 of 'orders' from offset 0 on cannot be read: .* last offset delta of -5/,
    meets: { consumer: 'fails' },
    bend: records(forged((bytes) => bytes.writeInt32BE(-5, 23))),
  },
  {
    name: 'has a batch of minus one record',
    cause: /partition 0 of 'orders' from offset 0 on cannot be read: .* announces -1 records/,
    meets: { consumer: 'fails' },
    bend: records(forged((bytes) => bytes.writeInt32BE(-1, 57))),
  },
  {
    name: 'has a batch of two billion records',
    cause: /partition 0 of 'orders' from offset 0 on cannot be read: .* announces 2147483647 records in 16 bytes/,
    meets: { consumer: 'fails' },
    bend: records(
      forged((bytes) => {
        bytes.writeInt32BE(0x7fff_fffe, 23)
        bytes.writeInt32BE(0x7fff_ffff, 57)
      }),
    ),
  },
  {
    name: 'has a record of negative length',
    cause: /partition 0 of 'orders' from offset 0 on cannot be read; seek to 2 to pass them: .* a record of -1 bytes/,
    meets: { consumer: 'fails' },
    bend: records(forged((bytes) => bytes.writeUInt8(0x01, 61))),
  },
  {
    name: 'has a record longer than its batch',
    cause: /partition 0 of 'orders' from offset 0 on cannot be read; seek to 2 to pass them: .* a record of 63 bytes/,
    meets: { consumer: 'fails' },
    bend: records(forged((bytes) => bytes.writeUInt8(0x7e, 61))),
  },
  {
    name: 'has a batch of a codec that does not exist',
    cause:
      /partition 0 of 'orders' from offset 0 on cannot be read; seek to 2 to pass them: no codec of Kafka has the number 7/,
    meets: { consumer: 'fails' },
    bend: records(forged((bytes) => bytes.writeInt16BE(7, 21))),
  },
  {
    name: 'has noise where compressed records should be',
    cause:
      /partition 0 of 'orders' from offset 0 on cannot be read; seek to 2 to pass them: gzip data cannot be decompressed/,
    meets: { consumer: 'fails' },
    bend: records(forged((bytes) => bytes.writeInt16BE(1, 21))),
  },
  {
    name: 'has a batch that unpacks to far more than it is',
    cause: /partition 0 of 'orders' from offset 0 on cannot be read; seek to 1 to pass them: .* within 134217728 bytes/,
    meets: { consumer: 'fails' },
    bend: (logs, s) => records(bomb())(logs, s),
  },
  {
    name: 'goes back in its offsets',
    meets: { consumer: ['5=e', '6=f'] },
    bend: records(batchOf(5, ['e', 'f']), batchOf(0, ['a', 'b']), batchOf(3, ['c'])),
  },
  {
    name: 'repeats what lies before the offset asked for, for ever',
    meets: { consumer: ['0=a', '1=b'] },
    bend: records(batchOf(0, ['a', 'b'])),
  },
  {
    name: 'has empty batches without end',
    isBusy: true,

    meets: { consumer: [] },
    bend: partition((offset) => ({
      records: Buffer.concat(
        Array.from({ length: 20 }, (_, i) => {
          const bytes = Buffer.from(emptyBatch)
          bytes.writeBigInt64BE(BigInt(offset + i))
          return bytes
        }),
      ),
    })),
  },
  {
    name: 'refuses Fetch of the partition with a code that nobody knows',
    cause: /fetching from offset 0 of partition 0 of 'orders' failed: UNKNOWN_ERROR_CODE_999/,
    meets: { consumer: 'fails' },
    bend: partition({ errorCode: 999 }),
  },
  {
    name: 'refuses every Fetch with a code that nobody knows',
    cause: /broker 1 refused a fetch: UNKNOWN_ERROR_CODE_999/,
    meets: { consumer: 'fails' },
    bend: (logs) => logs.cluster.on(Fetch, () => ({ errorCode: 999 })),
  },
  {
    name: 'has noise for an answer to Fetch',
    cause: /broker 1 at broker-1:40001 to Fetch version \d+ cannot be read/,
    meets: { consumer: 'fails' },
    bend: (logs) => logs.cluster.on(Fetch, (_, context) => raw(context, noise)),
  },
  {
    name: 'never answers Fetch',
    cause: /broker 1 at broker-1:40001 did not answer Fetch within 3000 ms/,
    meets: { consumer: 'waits' },
    bend: (logs) => logs.cluster.on(Fetch, () => 'silence'),
  },
  {
    name: 'hangs up on every Fetch',
    cause: /the connection to broker 1 at broker-1:40001 ended before it answered Fetch/,
    meets: { consumer: 'waits' },
    bend: (logs) => logs.cluster.on(Fetch, () => 'drop'),
  },
  {
    name: 'gives half an answer to Fetch and falls silent',
    cause: /broker 1 at broker-1:40001 did not answer Fetch within 3000 ms/,
    meets: { consumer: 'waits' },
    bend: (logs) =>
      logs.cluster.on(Fetch, (_, { socket }) => {
        socket.write(Buffer.from([0, 16, 0, 0, 0, 0]))
        return 'silence'
      }),
  },
  {
    name: 'announces an answer to Fetch that is longer than allowed',
    cause:
      /broker 1 at broker-1:40001 broke the protocol: a frame of 2147483647 bytes is longer than the 134217728 allowed/,
    meets: { consumer: 'fails' },
    bend: (logs) => logs.cluster.on(Fetch, () => Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0])),
  },
  {
    name: 'answers a Fetch with another correlation id',
    cause: /broker 1 at broker-1:40001 answered request \d+ where the answer to request \d+ \(Fetch\) was due/,
    meets: { consumer: 'fails' },
    bend: (logs) =>
      logs.cluster.on(Fetch, (_, { version, correlationId }) =>
        Buffer.concat(encodeResponse(Fetch, version, correlationId + 1, {})),
      ),
  },
  {
    name: 'says of every offset that it is out of range',
    cause: /offset 0 of partition 0 of 'orders' is not in the log/,
    meets: { consumer: 'waits' },
    bend: partition({ errorCode: 1 }),
  },

  // Offsets
  {
    name: 'has a first offset below zero',
    cause: /partition 0 of 'orders' cannot begin at offset -5, as its leader says/,
    meets: { consumer: 'fails' },
    bend: (logs) =>
      logs.cluster.on(ListOffsets, ({ topics }) => ({
        topics: topics.map(({ name }) => ({ name, partitions: [{ partitionIndex: 0, offset: -5, timestamp: -1 }] })),
      })),
  },
  {
    name: 'leaves partitions out when asked for offsets',
    cause: /the leader of partition 0 of 'orders' did not tell its offset/,
    meets: { consumer: 'waits' },
    bend: (logs) => logs.cluster.on(ListOffsets, () => ({})),
  },
  {
    name: 'refuses offsets with a code that nobody knows',
    cause: /the offset of partition 0 of 'orders' could not be looked up: UNKNOWN_ERROR_CODE_999/,
    meets: { consumer: 'fails' },
    bend: (logs) =>
      logs.cluster.on(ListOffsets, ({ topics }) => ({
        topics: topics.map(({ name }) => ({ name, partitions: [{ partitionIndex: 0, errorCode: 999 }] })),
      })),
  },
  {
    name: 'has noise for offsets',
    cause: /broker 1 at broker-1:40001 to ListOffsets version \d+ cannot be read/,
    meets: { consumer: 'fails' },
    bend: (logs) => logs.cluster.on(ListOffsets, (_, context) => raw(context, noise)),
  },

  // Groups
  {
    name: 'names a coordinator that does not exist',
    cause:
      /group 'billing' could not be joined yet: .*broker 55 at nowhere\.example:9092: the host name has no address/,
    meets: { group: 'waits' },
    bend: (logs) =>
      logs.cluster.on(FindCoordinator, ({ coordinatorKeys }) => ({
        coordinators: coordinatorKeys.map((key) => ({ key, nodeId: 55, host: 'nowhere.example', port: 9092 })),
      })),
  },
  {
    name: 'names nobody as the coordinator, and no error',
    cause: /a broker named no coordinator of group 'billing', and no error/,
    meets: { group: 'waits' },
    bend: (logs) =>
      logs.cluster.on(FindCoordinator, ({ coordinatorKeys }) => ({
        coordinators: coordinatorKeys.map((key) => ({ key, nodeId: -1, host: '', port: -1 })),
      })),
  },
  {
    name: 'names the coordinator of another group',
    cause: /a broker named no coordinator of group 'billing', and no error/,
    meets: { group: 'waits' },
    bend: (logs) =>
      logs.cluster.on(FindCoordinator, () => ({
        coordinators: [{ key: 'other', nodeId: 1, host: 'broker-1', port: 1 }],
      })),
  },
  {
    name: 'refuses to name the coordinator with a code that nobody knows',
    cause: /the coordinator of group 'billing' was not found: UNKNOWN_ERROR_CODE_999/,
    meets: { group: 'fails' },
    bend: (logs) =>
      logs.cluster.on(FindCoordinator, ({ coordinatorKeys }) => ({
        coordinators: coordinatorKeys.map((key) => ({ key, errorCode: 999 })),
      })),
  },
  {
    name: 'refuses joining with a code that nobody knows',
    cause: /joining group 'billing' failed: UNKNOWN_ERROR_CODE_999/,
    meets: { group: 'fails' },
    bend: (logs) => logs.cluster.on(JoinGroup, () => ({ errorCode: 999 })),
  },
  {
    name: 'makes us lead members whose subscriptions are noise',
    cause: /member 'other' of group 'billing' gets no partitions/,
    meets: { group: ['0=a', '1=b'] },
    bend: (logs) =>
      logs.cluster.on(JoinGroup, ({ protocols }, { version }) => ({
        generationId: 1,
        ...(version >= 7 ? { protocolType: 'consumer' } : {}),
        protocolName: protocols[0]!.name,
        leader: 'me',
        memberId: 'me',
        members: [
          { memberId: 'me', metadata: protocols[0]!.metadata },
          { memberId: 'other', metadata: noise },
        ],
      })),
  },
  {
    name: 'chooses an assignor that nobody offered',
    cause: /group 'billing' chose assignor 'by-weather', which was not offered/,
    meets: { group: 'waits' },
    bend: (logs) =>
      logs.cluster.on(JoinGroup, ({ protocols }) => ({
        generationId: 1,
        protocolType: 'consumer',
        protocolName: 'by-weather',
        leader: 'me',
        memberId: 'me',
        members: [{ memberId: 'me', metadata: protocols[0]!.metadata }],
      })),
  },
  {
    name: 'has noise for an assignment',
    cause: /group 'billing' could not be joined yet/,
    meets: { group: 'waits' },
    bend: (logs) => logs.cluster.on(SyncGroup, () => ({ assignment: noise })),
  },
  {
    name: 'has noise for an answer to JoinGroup',
    cause:
      /group 'billing' could not be joined yet: .*broker 1 at broker-1:40001 to JoinGroup version \d+ cannot be read/,
    meets: { group: 'waits' },
    bend: (logs) => logs.cluster.on(JoinGroup, (_, context) => raw(context, noise)),
  },
  {
    name: 'says of every member that it is unknown',
    cause: /group 'billing' refuses this member: .*UNKNOWN_MEMBER_ID/,
    meets: { group: 'waits' },
    bend: (logs) => logs.cluster.on(SyncGroup, () => ({ errorCode: 25 })),
  },
  {
    name: 'leaves everything out when asked for what was committed',
    cause: /the coordinator did not tell the committed offset of partition 0 of 'orders'/,
    meets: { group: 'waits' },
    bend: (logs) => logs.cluster.on(OffsetFetch, () => ({ groups: [] })),
  },
  {
    name: 'has committed an offset below minus one',
    meets: { group: ['0=a', '1=b'] },
    bend: (logs) => {
      logs.committed.set(`${topic}-0`, -7)
    },
  },
  {
    name: 'refuses what was committed with a code that nobody knows',
    cause: /the committed offsets of group 'billing' could not be fetched: UNKNOWN_ERROR_CODE_999/,
    meets: { group: 'fails' },
    bend: (logs) =>
      logs.cluster.on(OffsetFetch, ({ groups }) => ({
        groups: groups.map(({ groupId }) => ({ groupId, errorCode: 999 })),
      })),
  },
]
