/** Readers that are not ours: kcat (librdkafka) and Java's console consumer, from the beginning to a mark at the end. */

import { spawn } from 'node:child_process'
import { createHash, type Hash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { javaCommand } from '#scripts/kafka.mjs'
import type { Kafka } from '../kafka/kafka.ts'

export type IsolationLevel = 'read_committed' | 'read_uncommitted'
export type OnRecord = (partition: number, offset: number, value: string) => void

/** The last record of every partition of a finished run: whoever has not seen it has not read all. */
const endMark = 'the end'

/** Writes the end mark to every partition with kcat; it is acknowledged when everything before it may be read. */
export async function markEnds(kafka: Kafka, topic: string, partitions: number): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    await kafka.kcat(['-P', '-t', topic, '-p', String(partition), '-X', 'acks=all'], endMark)
  }
}

/** What was read: how many records, and a digest of places and values that is the same for every reader of the same. */
export interface Reading {
  readonly count: number
  readonly digest: string
}

/** Collects a reading, and sees to it that it is whole. */
class Collector {
  #count = 0
  #marks = 0
  readonly #digests = new Map<number, Hash>()
  readonly #onRecord: OnRecord

  constructor(onRecord: OnRecord) {
    this.#onRecord = onRecord
  }

  /** True when this was the last end mark. */
  add(partition: number, offset: number, value: string, partitions: number): boolean {
    if (value === endMark) return ++this.#marks === partitions
    this.#count++
    let digest = this.#digests.get(partition)
    if (digest === undefined) this.#digests.set(partition, (digest = createHash('sha256')))
    digest.update(`${offset} ${value}\n`)
    this.#onRecord(partition, offset, value)
    return false
  }

  finish(reader: string, partitions: number): Reading {
    if (this.#marks !== partitions) {
      throw new Error(`${reader} ended after ${this.#count} records and the ends of ${this.#marks} partitions`)
    }
    const digest = createHash('sha256')
    for (const [partition, one] of [...this.#digests].sort(([a], [b]) => a - b)) {
      digest.update(`${partition} ${one.digest('hex')}\n`)
    }
    return { count: this.#count, digest: digest.digest('hex') }
  }
}

export interface ReadOptions {
  readonly partitions: number
  readonly isolationLevel?: IsolationLevel
  readonly timeoutMs?: number
}

/** Reads a topic, which has its end marks, with kcat. */
export async function readWithKcat(
  kafka: Kafka,
  topic: string,
  { partitions, isolationLevel = 'read_committed', timeoutMs = 120_000 }: ReadOptions,
  onRecord: OnRecord,
): Promise<Reading> {
  const collector = new Collector(onRecord)
  const isolation = ['-X', `isolation.level=${isolationLevel}`]
  const format = ['-o', 'beginning', '-f', '%p %o %s\\n']
  await eachLine(
    ['kcat', '-b', kafka.bootstrapServers, '-C', '-q', '-e', '-t', topic, ...isolation, ...format],
    timeoutMs,
    (line) => {
      const first = line.indexOf(' ')
      const second = line.indexOf(' ', first + 1)
      const [partition, offset] = [Number(line.slice(0, first)), Number(line.slice(first + 1, second))]
      collector.add(partition, offset, line.slice(second + 1), partitions)
      return false // it ends by itself
    },
  )
  return collector.finish('kcat', partitions)
}

/** Reads a topic, which has its end marks, with Java's console consumer. */
export async function readWithJava(
  kafka: Kafka,
  topic: string,
  { partitions, isolationLevel = 'read_committed', timeoutMs = 180_000 }: ReadOptions,
  onRecord: OnRecord = () => {},
): Promise<Reading> {
  const collector = new Collector(onRecord)
  const formatter = kafka.version.startsWith('3.') ? '--property' : '--formatter-property'
  const args = [
    ...['--bootstrap-server', kafka.bootstrapServers, '--topic', topic, '--from-beginning'],
    ...['--isolation-level', isolationLevel, '--timeout-ms', '30000'],
    ...[formatter, 'print.partition=true', formatter, 'print.offset=true'],
  ]
  const command = await javaCommand({ version: kafka.version, name: 'ConsoleConsumer', args })
  await eachLine(command, timeoutMs, (line) => {
    const match = /^Partition:(\d+)\tOffset:(\d+)\t(.*)$/.exec(line)
    if (match === null) throw new Error(`the console consumer wrote '${line.slice(0, 200)}'`)
    return collector.add(Number(match[1]), Number(match[2]), match[3]!, partitions)
  })
  return collector.finish('the console consumer', partitions)
}

/** Runs a command and gives its lines to `onLine` until it ends, or `onLine` says that it has seen enough. */
function eachLine(
  [command, ...args]: readonly string[],
  timeoutMs: number,
  onLine: (line: string) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let enough = false
    let failure: unknown
    let complaints = ''
    const timer = setTimeout(() => {
      failure ??= new Error(`${command} did not end within ${timeoutMs} ms`)
      child.kill('SIGKILL')
    }, timeoutMs)
    child.stderr.on('data', (chunk) => (complaints = `${complaints}${chunk}`.slice(-2_000)))
    const lines = createInterface({ input: child.stdout, crlfDelay: Infinity })
    lines.on('line', (line) => {
      if (enough || failure !== undefined) return
      try {
        enough = onLine(line)
      } catch (error) {
        failure = error
      }
      if (enough || failure !== undefined) child.kill('SIGKILL')
    })
    const linesEnded = new Promise((ended) => lines.once('close', ended))
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once('close', (code) => {
      clearTimeout(timer)
      void linesEnded.then(() => {
        if (failure !== undefined) reject(failure as Error)
        else if (!enough && code !== 0) reject(new Error(`${command} ended with status ${code}:\n${complaints}`))
        else resolve()
      })
    })
  })
}
