/** `jackdaw consume TOPIC`: records to standard output, at the pace of who reads it. */

import type { Admin, Consumer, TopicPartition } from 'jackdaw'
import { command, type Command, type Invocation } from '../command.ts'
import { connectionFlags, connectionOptions } from '../connection.ts'
import { CommandError, UsageError } from '../errors.ts'
import { Output } from '../output.ts'
import { Progress } from '../progress.ts'
import { directives, recordFormat, type RecordFormat } from '../record-format.ts'
import { readOffset, seekTo } from '../start-offset.ts'
import { alignColumns } from '../table.ts'
import { ReadingPlan } from '../reading-plan.ts'

const flags = {
  ...connectionFlags,
  'group': { kind: 'text', short: 'g', placeholder: 'NAME', about: 'read as a member of this group, and commit' },
  'from-beginning': { kind: 'switch', about: 'from the first record; in a group: where nothing is committed yet' },
  'partition': { kind: 'numbers', short: 'p', placeholder: 'N', least: 0, about: 'only this one; may be repeated' },
  'offset': {
    kind: 'text',
    short: 'o',
    placeholder: 'N',
    about: 'from offset N of each partition; =-N: the last N records',
  },
  'max-records': { kind: 'number', short: 'n', placeholder: 'N', least: 1, about: 'stop after N records' },
  'until-end': { kind: 'switch', about: 'stop where the partitions ended when the command began' },
  'isolation-level': {
    kind: 'choice',
    of: ['read_uncommitted', 'read_committed'],
    about: 'read_committed leaves out what is in no committed transaction',
  },
  'format': { kind: 'text', placeholder: 'FORMAT', about: 'value, json, or text with directives; default value' },
  'delimiter': { kind: 'bytes', placeholder: 'TEXT', about: String.raw`what is written after each record; default \n` },
  'null-marker': { kind: 'bytes', placeholder: 'TEXT', about: 'what stands for null; default nothing' },
  'quiet': { kind: 'switch', short: 'q', about: 'do not say how many records were consumed' },
} as const

export const consume: Command = command({
  name: 'consume',
  about: 'Write the records of a topic to standard output',
  positional: { name: 'TOPIC', count: 'one' },
  flags,
  notes: [
    'Without --group all partitions are read, and nothing is committed. Ctrl-C ends it in order.',
    String.raw`In FORMAT and TEXT, \n, \r, \t, \0, \\ and \xHH stand for bytes. In FORMAT:`,
    ...alignColumns(directives.map(([name, about]) => [`  ${name}`, about])),
    "example: jackdaw consume orders --from-beginning --until-end --format '%p %o %k %v'",
  ].join('\n'),
  run: consumeRecords,
})

type Given = Invocation<typeof flags>['flags']

/** How long one look for records takes at most, in ms: `--until-end` and Ctrl-C are heeded between two looks. */
const lookMs = 500
const mostAtOnce = 5_000

async function consumeRecords({ positionals, flags: given, terminal }: Invocation<typeof flags>): Promise<void> {
  const topic = positionals[0]!
  checkTogether(given)
  const format = formatOf(given)
  const stop = new AbortController()
  const output = new Output(terminal.stdout, () => {
    stop.abort()
  })
  const stopListening = terminal.onInterrupt(() => {
    stop.abort()
  })
  const progress = new Progress(
    terminal,
    { did: 'consumed', topic, isQuiet: given.quiet ?? false },
    { writesOutput: true },
  )
  const { Admin, Cluster, Consumer } = await import('jackdaw')
  const cluster = new Cluster(connectionOptions(given, terminal))
  const consumer = new Consumer({
    cluster,
    ...(given.group === undefined ? {} : { groupId: given.group }),
    autoOffsetReset: given['from-beginning'] === true ? 'earliest' : 'latest',
    isolationLevel: given['isolation-level'] ?? 'read_uncommitted',
    maxPollRecords: mostAtOnce,
  })
  const { signal } = stop
  try {
    await consumer.start({ signal })
    const partitions = await partitionsOf(new Admin({ cluster }), topic, given.partition, signal)
    const plan = await begin(consumer, topic, partitions, given, signal)
    await pump({ consumer, format, output, progress, plan, most: given['max-records'] ?? Infinity, signal })
    // close() alone would leave the last hand-out uncommitted: nobody asked for another one, so it is not finished.
    // When the reader went away that is right: what it did not get, the next one of the group shall read.
    if (given.group !== undefined && !output.isClosed) await consumer.commit()
    if (!output.isClosed) progress.end()
  } catch (error) {
    progress.clear()
    // An interrupt, or a reader that went away, before the first record: an end like any other.
    if (!signal.aborted || error !== signal.reason) throw error
  } finally {
    stopListening()
    await consumer.close()
    await cluster.close()
  }
}

function checkTogether(given: Given): void {
  const inGroup = given.group !== undefined
  if (given.group === '') throw new UsageError("--group must be the group's name")
  if (inGroup && given.partition !== undefined) {
    throw new UsageError('--partition does not go with --group: the group shares out the partitions')
  }
  if (inGroup && given.offset !== undefined) {
    throw new UsageError('--offset does not go with --group: the group goes on where it committed')
  }
  if (given.offset !== undefined && given['from-beginning'] === true) {
    throw new UsageError('--offset and --from-beginning both say where to begin: give one')
  }
  if (given.offset !== undefined) readOffset(given.offset)
}

function formatOf(given: Given): RecordFormat {
  return recordFormat({
    format: given.format ?? 'value',
    delimiter: given.delimiter ?? Buffer.from('\n'),
    nullMarker: given['null-marker'] ?? Buffer.alloc(0),
  })
}

async function partitionsOf(
  admin: Admin,
  topic: string,
  wanted: readonly number[] | undefined,
  signal: AbortSignal,
): Promise<TopicPartition[]> {
  const [description] = await admin.describeTopics([topic], { signal })
  if (description === undefined || description.error !== null) throw description?.error ?? new CommandError('no answer')
  const there = description.partitions.map(({ partition }) => partition)
  const missing = wanted?.find((partition) => !there.includes(partition))
  if (missing !== undefined) {
    throw new CommandError(`topic '${topic}' has no partition ${missing}: it has 0 to ${there.length - 1}`)
  }
  return (wanted ?? there).map((partition) => ({ topic, partition }))
}

/** Chooses what is read, from where, and up to where. */
async function begin(
  consumer: Consumer,
  topic: string,
  partitions: readonly TopicPartition[],
  given: Given,
  signal: AbortSignal,
): Promise<ReadingPlan> {
  const ends = given['until-end'] === true ? await consumer.endOffsets(partitions, { signal }) : undefined
  const plan = new ReadingPlan(partitions, { ends, isShared: given.group !== undefined })
  if (given.group === undefined) {
    consumer.assign(partitions)
    if (given.offset !== undefined) await seekTo(consumer, partitions, readOffset(given.offset), signal)
  } else {
    await consumer.subscribe([topic], plan.listener)
    await consumer.assigned({ signal })
  }
  return plan
}

interface Pump {
  readonly consumer: Consumer
  readonly format: RecordFormat
  readonly output: Output
  readonly progress: Progress
  readonly plan: ReadingPlan
  readonly most: number
  readonly signal: AbortSignal
}

/** Reads and writes until the plan is fulfilled, enough was written, or someone ends it. */
async function pump({ consumer, format, output, progress, plan, most, signal }: Pump): Promise<void> {
  try {
    while (progress.records < most && !signal.aborted && !(await plan.isFulfilled(consumer, signal))) {
      const maxRecords = Math.min(mostAtOnce, most - progress.records)
      const records = await consumer.getMany({ timeoutMs: lookMs, maxRecords, signal })
      const chunks: Uint8Array[] = []
      let count = 0
      for (const record of records) {
        if (!plan.includes(record)) continue
        format(record, chunks)
        count++
      }
      await output.write(Buffer.concat(chunks))
      if (output.isClosed) return
      progress.advance(count)
    }
  } catch (error) {
    // Ended while it waited for more: everything that was handed out has been written.
    if (!signal.aborted || error !== signal.reason) throw error
  }
}
