/** `jackdaw produce TOPIC`: each line of the input becomes a record, its bytes as they are. */

import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Producer, ProducerRecord } from 'jackdaw'
import { command, type Command, type Invocation } from '../command.ts'
import { connectionFlags, connectionOptions } from '../connection.ts'
import { CommandError } from '../errors.ts'
import { LineSplitter } from '../line-splitter.ts'
import { countOfRecords, Progress } from '../progress.ts'
import type { Terminal } from '../terminal.ts'

const mostBytes = 1_048_576
const bulkBatchBytes = 262_144

const flags = {
  ...connectionFlags,
  'file': {
    kind: 'text',
    short: 'f',
    placeholder: 'FILE',
    about: 'read the lines from a file, not from standard input',
  },
  'key-separator': {
    kind: 'bytes',
    short: 'k',
    placeholder: 'TEXT',
    about: 'what stands between key and value; a line without it has no key',
  },
  'compression': { kind: 'choice', of: ['none', 'gzip', 'snappy', 'lz4', 'zstd'], about: 'default none' },
  'acks': { kind: 'choice', of: ['0', '1', 'all'], about: 'how many replicas must have a record; default all' },
  'partition': { kind: 'number', short: 'p', placeholder: 'N', least: 0, about: 'write to this partition only' },
  'header': { kind: 'pairs', placeholder: 'NAME=VALUE', about: 'a header of every record; may be repeated' },
  'null-marker': { kind: 'bytes', placeholder: 'TEXT', about: 'a key or value that is exactly this is sent as null' },
  'max-request-size': {
    kind: 'number',
    placeholder: 'BYTES',
    least: 1024,
    about: `the longest line, and how much one request holds; default ${mostBytes}`,
  },
  'quiet': { kind: 'switch', short: 'q', about: 'do not say how many records were produced' },
} as const

export const produce: Command = command({
  name: 'produce',
  about: 'Write records, a line of standard input each',
  positional: { name: 'TOPIC', count: 'one' },
  flags,
  notes: String.raw`
In TEXT, \n, \r, \t, \0, \\ and \xHH stand for bytes. Ctrl-C ends the input: what was read is still sent.
example: jackdaw produce orders --key-separator '\t' --compression zstd < orders.tsv`,
  run: produceLines,
})

async function produceLines({ positionals, flags: given, terminal }: Invocation<typeof flags>): Promise<void> {
  const topic = positionals[0]!
  const input = await openInput(given.file, terminal)
  // Something must hear of an input that fails while nobody reads from it; who reads hears of it too.
  input.stream.on('error', () => {})
  const failure = new DeliveryCount()
  const { Producer } = await import('jackdaw')
  const longestBytes = given['max-request-size'] ?? mostBytes
  const producer = new Producer({
    ...connectionOptions(given, terminal),
    acks: given.acks === undefined || given.acks === 'all' ? 'all' : given.acks === '1' ? 1 : 0,
    compression: given.compression ?? 'none',
    maxRequestSize: longestBytes,
    // A stream fills large batches at once, and they cost the broker less; a line that is typed still goes out after 5 ms.
    batchSize: Math.min(bulkBatchBytes, longestBytes),
    onDeliveryError: (error, { count }) => {
      failure.add(error, count)
    },
  })
  const progress = new Progress(
    terminal,
    { did: 'produced', topic, totalBytes: input.bytes, isQuiet: given.quiet ?? false },
    { writesOutput: false },
  )
  const interrupt = new AbortController()
  const stopListening = terminal.onInterrupt(() => {
    interrupt.abort()
    input.stream.destroy()
  })
  try {
    await producer.start({ signal: interrupt.signal })
    const toRecord = recordMaker(topic, given)
    const badLine = await enqueueLines(input.stream, { producer, toRecord, longestBytes, failure, progress })
    await flush(producer, failure)
    failure.throwIfAny(progress.records)
    if (badLine !== undefined) throw badLine
    await producer.close()
    progress.end()
  } catch (error) {
    progress.clear()
    if (!interrupt.signal.aborted || error !== interrupt.signal.reason) throw error
    throw new CommandError('interrupted before the first broker answered')
  } finally {
    stopListening()
    input.stream.destroy()
    // After a failure nothing is left that would be worth waiting for; after close() this does nothing.
    producer.destroy()
  }
}

/** Records that were accepted and then failed. */
class DeliveryCount {
  #count = 0
  #first: Error | undefined

  get count(): number {
    return this.#count
  }

  add(error: Error, count: number): void {
    this.#first ??= error
    this.#count += count
  }

  /** @throws CommandError when any of the records failed */
  throwIfAny(accepted: number): void {
    if (this.#first === undefined) return
    const were = this.#count === 1 ? 'was' : 'were'
    throw new CommandError(
      `${this.#count} of ${countOfRecords(accepted)} ${were} not delivered: ${this.#first.message}`,
    )
  }
}

interface Pipeline {
  readonly producer: Producer
  readonly toRecord: (line: Buffer) => ProducerRecord
  readonly longestBytes: number
  readonly failure: DeliveryCount
  readonly progress: Progress
}

/**
 * Ends at the end of the input, and when a record failed: what follows it would be out of place. Resolves to what is
 * wrong with a line that cannot be sent, if there is one: those before it still go out.
 */
async function enqueueLines(input: Readable, pipeline: Pipeline): Promise<CommandError | undefined> {
  const { longestBytes, failure } = pipeline
  const splitter = new LineSplitter(longestBytes)
  try {
    for await (const chunk of untilDestroyed(input)) {
      await enqueue(splitter.push(chunk), chunk.length, pipeline)
      if (failure.count > 0) return undefined
    }
    await enqueue(splitter.end(), 0, pipeline)
    return undefined
  } catch (error) {
    if (error instanceof CommandError) return error
    throw error
  }
}

async function enqueue(lines: Iterable<Buffer>, bytes: number, pipeline: Pipeline): Promise<void> {
  const { producer, toRecord, progress, failure } = pipeline
  for (const line of lines) {
    const record = toRecord(line)
    // False says that it was not accepted, as the buffer is full: the input waits until some of it has been sent.
    while (!tryEnqueue(producer, record, progress)) {
      await producer.drained()
      if (failure.count > 0) return
    }
    progress.advance(1)
  }
  progress.advance(0, bytes)
}

function tryEnqueue(producer: Producer, record: ProducerRecord, { records }: Progress): boolean {
  try {
    return producer.enqueue(record)
  } catch (error) {
    throw new CommandError(`line ${records + 1}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function flush(producer: Producer, failure: DeliveryCount): Promise<void> {
  try {
    await producer.flush()
  } catch (error) {
    // The rejection sums up what the callback was told one by one.
    if (failure.count === 0) throw error
  }
}

/** The chunks of the input. An interrupt destroys it, which is an end like any other. */
async function* untilDestroyed(input: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of input) yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk as string)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ERR_STREAM_PREMATURE_CLOSE' && code !== 'ABORT_ERR') throw error
  }
}

interface Input {
  readonly stream: Readable
  readonly bytes: number | undefined
}

async function openInput(file: string | undefined, { stdin }: Terminal): Promise<Input> {
  if (file === undefined) return { stream: stdin, bytes: undefined }
  try {
    const handle = await open(file)
    const status = await handle.stat()
    if (status.isDirectory()) {
      await handle.close()
      throw new Error('it is a folder')
    }
    const { size } = status
    return { stream: createReadStream(file, { fd: handle, highWaterMark: 262_144 }), bytes: size }
  } catch (error) {
    throw new CommandError(`cannot read '${file}': ${(error as Error).message}`)
  }
}

function recordMaker(topic: string, given: Invocation<typeof flags>['flags']): (line: Buffer) => ProducerRecord {
  const { partition, 'key-separator': separator, 'null-marker': marker } = given
  const headers = given.header
  const orNull = (bytes: Buffer): Buffer | null => (marker?.equals(bytes) === true ? null : bytes)
  return (line) => {
    const at = separator === undefined ? -1 : line.indexOf(separator)
    const key = at < 0 ? null : orNull(line.subarray(0, at))
    const value = orNull(at < 0 ? line : line.subarray(at + separator!.length))
    return { topic, key, value, partition, headers }
  }
}
