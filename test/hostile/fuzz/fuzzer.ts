/**
 * Feeds spoiled bytes to everything that reads bytes of a peer: decoders, record batches, a connection, whole clients.
 * Whatever comes of it must be a value or one of our errors, soon, in little memory. Every case has a name made of seed,
 * kind and number, by which it alone can be run again.
 */

import { KafkaError } from '#src/errors/kafka-error.js'
import { Connection } from '#src/network/connection.js'
import { SeededRandom, Simulation } from '#src/testing/simulation/index.js'
import type { Listen, ServerConnection } from '#src/testing/listener.js'
import { ApiVersions } from '#src/wire/messages/api-versions.js'
import type { Api } from '#src/wire/api.js'
import { codecById, loadCodec } from '#src/wire/compression/codecs.js'
import { decodeRequest, decodeRequestHeader, decodeResponse, encodeRequest, encodeResponse } from '#src/wire/frame.js'
import { apis } from '#src/wire/messages/index.js'
import { Reader } from '#src/wire/primitives/reader.js'
import { crc32 } from '#src/wire/records/crc32.js'
import { crc32c } from '#src/wire/records/crc32c.js'
import { RecordBatchBuilder } from '#src/wire/records/record-batch-builder.js'
import { RecordBatchReader } from '#src/wire/records/record-batch-reader.js'
import { brokerSetting } from '../bad-answers.ts'
import { clientKinds, limits, meet } from '../world.ts'
import { InventingReader, MarkingReader, type FieldMark } from './inventing-reader.ts'
import { spoiled } from './mutations.ts'

export const fuzzKinds = ['message', 'records', 'connection', 'client'] as const
export type FuzzKind = (typeof fuzzKinds)[number]

export interface FuzzFinding {
  /** For `--only`. */
  readonly name: string
  readonly what: string
}

export interface FuzzFigures {
  readonly seed: string
  readonly seconds: number
  /** Cases of each kind. */
  readonly cases: Record<FuzzKind, number>
  /** What they came to: `value`, or the name of an error. */
  readonly outcomes: Record<string, number>
  readonly slowestMs: number
  readonly grownBytes: number
  readonly findings: readonly FuzzFinding[]
}

export interface FuzzOptions {
  readonly seed: number | string
  readonly seconds: number
  /** One case, by its name: `records/17`. */
  readonly only?: string | undefined
  /** No case may take longer, in ms of real time. Default 5 000: a busy machine is not a finding. */
  readonly slowMs?: number
}

const mostGrowthBytes = 400_000_000
const mostFindings = 20
const maxDecompressedBytes = 1_048_576
/** How the time is shared: a client's case costs as much as thousands of decoded messages. */
const turns: readonly (readonly [FuzzKind, number])[] = [
  ['message', 200],
  ['records', 100],
  ['connection', 4],
  ['client', 1],
]

/** Runs case after case until the time is over, or there are too many findings. */
export async function fuzz({ seed, seconds, only, slowMs = 5_000 }: FuzzOptions): Promise<FuzzFigures> {
  for (const id of [1, 2, 3, 4]) await loadCodec(id)
  const root = new SeededRandom(seed)
  const cases: Record<FuzzKind, number> = { message: 0, records: 0, connection: 0, client: 0 }
  const outcomes = new Map<string, number>()
  const findings: FuzzFinding[] = []
  const unhandled: unknown[] = []
  const hear = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', hear)
  process.on('uncaughtException', hear)
  const rssBefore = process.memoryUsage().rss
  let ranOnly = false
  let slowestMs = 0
  let grownBytes = 0
  const runCase = async (kind: FuzzKind): Promise<void> => {
    const name = `${kind}/${cases[kind]++}`
    if (only !== undefined && only !== name) return
    ranOnly = only === name
    const random = root.fork(name)
    const startedAt = performance.now()
    const found: string[] = []
    const tell = (outcome: unknown): void => {
      const known = !(outcome instanceof Error) ? 'value' : outcome instanceof KafkaError ? outcome.name : undefined
      if (known === undefined) found.push((outcome as Error).stack ?? String(outcome))
      else outcomes.set(known, (outcomes.get(known) ?? 0) + 1)
    }
    try {
      const running = runners[kind](random, tell)
      if (running !== undefined) await running
    } catch (error) {
      found.push((error as Error).stack ?? String(error))
    }
    // Whoever meets a client listens for itself.
    const missed = kind === 'client' ? [] : unhandled
    found.push(...missed.map((error) => `nobody handled: ${String((error as Error)?.stack ?? error)}`))
    unhandled.length = 0
    const elapsedMs = performance.now() - startedAt
    slowestMs = Math.max(slowestMs, elapsedMs)
    if (elapsedMs > slowMs) found.push(`took ${Math.round(elapsedMs)} ms`)
    for (const what of found) findings.push({ name, what })
  }
  const startedAt = performance.now()
  const isOver = (): boolean =>
    ranOnly || performance.now() - startedAt >= seconds * 1_000 || findings.length >= mostFindings
  try {
    while (!isOver()) {
      for (const [kind, count] of turns) {
        for (let i = 0; i < count && !isOver(); i++) await runCase(kind)
      }
      grownBytes = Math.max(grownBytes, process.memoryUsage().rss - rssBefore)
      if (grownBytes > mostGrowthBytes) {
        findings.push({ name: `message/${cases.message}`, what: `the process grew by ${grownBytes} bytes` })
        break
      }
    }
  } finally {
    process.off('unhandledRejection', hear)
    process.off('uncaughtException', hear)
  }
  return {
    seed: String(seed),
    seconds: (performance.now() - startedAt) / 1_000,
    cases,
    outcomes: Object.fromEntries([...outcomes].sort(([, a], [, b]) => b - a)),
    slowestMs,
    grownBytes,
    findings,
  }
}

type Runner = (random: SeededRandom, tell: (outcome: unknown) => void) => Promise<void> | void

const runners: Record<FuzzKind, Runner> = {
  message: fuzzMessage,
  records: fuzzRecords,
  connection: fuzzConnection,
  client: fuzzClient,
}

type AnyApi = Api<unknown, unknown>

function anyVersion(api: AnyApi, random: SeededRandom): number {
  return random.integer([api.minVersion, api.latestVersion])
}

/** A valid message of the API, with something in every field. */
function invented(api: AnyApi, what: 'request' | 'response', version: number, random: SeededRandom): object {
  return api[what].decode(new InventingReader(random), version) as object
}

/** Where the fields of a body lie. */
function marksOf(api: AnyApi, what: 'request' | 'response', version: number, body: Buffer, at: number): FieldMark[] {
  const reader = new MarkingReader(body, at)
  api[what].decode(reader, version)
  return reader.marks
}

/** Encodes, decodes, spoils and decodes again; what was read can be written, and read as the same. */
function fuzzMessage(random: SeededRandom, tell: (outcome: unknown) => void): void {
  const api = random.pick(apis) as AnyApi
  const version = anyVersion(api, random)
  const what = random.pick(['request', 'response'] as const)
  const message = invented(api, what, version, random)
  const frame =
    what === 'request' ? encodeRequest(api, version, 7, 'fuzz', message) : encodeResponse(api, version, 7, message)
  const payload = Buffer.concat(frame).subarray(4)
  const read = (bytes: Buffer): unknown => {
    if (what === 'response') return decodeResponse(api, version, bytes).message
    const header = decodeRequestHeader(bytes)
    return decodeRequest(api, { ...header, apiVersion: version })
  }
  const good = read(payload)
  const bodyAt = payload.length - bodyLength(api, what, version, good)
  const bytes = spoiled(payload, random, marksOf(api, what, version, payload, bodyAt))
  let decoded: unknown
  try {
    decoded = read(Buffer.from(bytes))
  } catch (error) {
    tell(error)
    return
  }
  tell(decoded)
  const again =
    what === 'request' ? encodeRequest(api, version, 7, 'fuzz', decoded!) : encodeResponse(api, version, 7, decoded!)
  read(Buffer.concat(again).subarray(4))
}

function bodyLength(api: AnyApi, what: 'request' | 'response', version: number, message: unknown): number {
  const frame =
    what === 'request'
      ? encodeRequest(api, version, 7, 'fuzz', message as object)
      : encodeResponse(api, version, 7, message as object)
  const payload = Buffer.concat(frame).subarray(4)
  const header = what === 'request' ? decodeRequestHeader(payload).rest : new Reader(payload, 4)
  if (what === 'request' ? version >= api.flexibleSince : version >= api.flexibleSince && api.key !== ApiVersions.key) {
    header.taggedFields({}, version)
  }
  return header.remaining
}

/** A few batches of any codec and magic, spoiled; half the time the checksum fits what they were spoiled to. */
function fuzzRecords(random: SeededRandom, tell: (outcome: unknown) => void): void {
  const batches = Array.from({ length: random.integer([1, 3]) }, () => {
    const batch = random.chance(0.2) ? legacyMessage(random) : sealedBatch(random)
    if (random.chance(0.3)) return batch
    const bytes = Buffer.from(spoiled(batch, random))
    if (random.chance(0.5) && bytes.length >= 61) {
      bytes.writeInt32BE(bytes.length - 12, 8)
      if (bytes[16] === 2) bytes.writeUInt32BE(crc32c(bytes, 21), 17)
      else bytes.writeUInt32BE(crc32(bytes.subarray(16)), 12)
    }
    return bytes
  })
  const reader = new RecordBatchReader(Buffer.concat(batches), { checkCrcs: random.chance(0.5), maxDecompressedBytes })
  for (let i = 0; i < 50; i++) {
    try {
      const batch = reader.next()
      if (batch === undefined) break
      const cursor = batch.cursor()
      let read = 0
      while (cursor.next()) {
        cursor.key()
        cursor.value()
        cursor.headers()
        if (++read > maxDecompressedBytes)
          throw new Error(`${read} records out of one batch of ${batch.sizeInBytes} bytes`)
      }
      tell(read)
    } catch (error) {
      tell(error)
    }
  }
}

function sealedBatch(random: SeededRandom): Buffer {
  const builder = new RecordBatchBuilder({ sizeLimit: 20_000 })
  const count = random.integer([1, 8])
  for (let i = 0; i < count; i++) {
    const value = random.chance(0.1) ? null : random.bytes(random.integer([0, 60]))
    const headers = random.chance(0.3) ? [{ key: 'h', value: random.bytes(3) }] : []
    builder.append(1_700_000_000_000 + i, random.chance(0.5) ? null : 'key', value, headers)
  }
  const id = random.integer([0, 4])
  return Buffer.from(builder.seal({ codec: id === 0 ? undefined : codecById(id) }))
}

function legacyMessage(random: SeededRandom): Buffer {
  const magic = random.integer([0, 1])
  const value = random.bytes(random.integer([0, 60]))
  const timestamp = Buffer.alloc(magic === 1 ? 8 : 0)
  const body = Buffer.concat([
    Buffer.from([magic, random.pick([0, 1, 2, 3, 4, 8])]),
    timestamp,
    Buffer.from([0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0, 0, 0, value.length]),
    value,
  ])
  const head = Buffer.alloc(16)
  head.writeInt32BE(body.length + 4, 8)
  head.writeUInt32BE(crc32(body), 12)
  return Buffer.concat([head, body])
}

/** A connection that sends some requests and gets spoiled answers, in pieces. */
async function fuzzConnection(random: SeededRandom, tell: (outcome: unknown) => void): Promise<void> {
  const simulation = new Simulation({ seed: random.uuid(), faults: { segmentBytes: [1, 200], latencyMs: [0, 5] } })
  await simulation.run(async () => {
    await simulation.listen('broker', 9092, (peer) => {
      answerBadly(peer, random)
    })
    const { clock, dial } = simulation.doors()
    const connection = await Connection.open({
      address: { host: 'broker', port: 9092 },
      peer: 'broker 1 at broker:9092',
      tls: undefined,
      clientId: 'fuzz',
      clock,
      dial: dial!,
      setupTimeoutMs: 5_000,
      requestTimeoutMs: 5_000,
      maxIdleMs: 60_000,
      maxResponseBytes: 10_000_000,
      onClose: () => {},
    }).catch((error: unknown) => {
      tell(error)
      return undefined
    })
    if (connection === undefined) return
    const sent = Array.from({ length: random.integer([1, 8]) }, () => {
      const api = random.pick(apis.filter((one) => one !== ApiVersions)) as AnyApi
      const version = random.integer([api.minVersion, api.maxVersion])
      const request = invented(api, 'request', version, random)
      return connection.send(api, request, { minVersion: version, maxVersion: version }).then(tell, tell)
    })
    await Promise.all(sent)
    await connection.close()
  })
}

function answerBadly(peer: ServerConnection, random: SeededRandom): void {
  let buffered = Buffer.alloc(0)
  peer.onData((chunk) => {
    buffered = Buffer.concat([buffered, chunk])
    while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
      const payload = Buffer.from(buffered.subarray(4, 4 + buffered.readInt32BE(0)))
      buffered = buffered.subarray(4 + payload.length)
      const { apiKey, apiVersion, correlationId } = decodeRequestHeader(payload)
      const api = apis.find(({ key }) => key === apiKey) as AnyApi
      if (api.key === ApiVersions.key && random.chance(0.9)) {
        const apiKeys = apis.map(({ key, minVersion, maxVersion }) => ({ apiKey: key, minVersion, maxVersion }))
        peer.write(encodeResponse(ApiVersions, apiVersion, correlationId, { apiKeys }))
        continue
      }
      const answer = Buffer.concat(
        encodeResponse(api, apiVersion, correlationId, invented(api, 'response', apiVersion, random)),
      )
      if (random.chance(0.4)) peer.write([answer])
      else if (random.chance(0.7)) peer.write([framed(answer.subarray(4, 8), spoiled(answer.subarray(8), random))])
      else peer.write([Buffer.from(spoiled(answer, random))])
    }
  })
}

function framed(...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

/** A client of any kind, a broker that means well, and something between them that does not. */
async function fuzzClient(random: SeededRandom, tell: (outcome: unknown) => void): Promise<void> {
  const kind = random.pick(clientKinds)
  const chance = random.pick([0.05, 0.2, 0.6])
  const outcome = await meet(kind, (simulation) => {
    const listen: Listen = (host, port, accept) =>
      simulation.listen(host, port, (connection) => {
        accept(meddledWith(connection, random, chance))
      })
    return brokerSetting({ bend: () => {} }, listen)(simulation)
  })
  tell(outcome.error ?? outcome.value)
  const { elapsedMs, closeMs, timersLeft, connectionsLeft, unhandled } = outcome
  const longestMs = Math.max(...Object.values(limits))
  // A close may have a few requests to make, one after the other: to commit, to leave.
  const longestCloseMs = 3 * (limits.requestTimeoutMs + limits.connectionSetupTimeoutMs)
  const wrong = [
    elapsedMs > longestMs + 10 ? `${kind} took ${elapsedMs} ms` : undefined,
    closeMs > longestCloseMs ? `close() of ${kind} took ${closeMs} ms` : undefined,
    timersLeft > 0 ? `${timersLeft} timers are left of ${kind}` : undefined,
    connectionsLeft > 0 ? `${connectionsLeft} connections are left of ${kind}` : undefined,
    ...unhandled.map((error) => `nobody handled: ${String((error as Error)?.stack ?? error)}`),
  ].filter((one) => one !== undefined)
  if (wrong.length > 0) throw new Error(wrong.join('; '))
}

function meddledWith(connection: ServerConnection, random: SeededRandom, chance: number): ServerConnection {
  return {
    remote: connection.remote,
    write: (chunks, written) => {
      const bytes = Buffer.concat(chunks)
      if (!random.chance(chance) || bytes.length < 9) connection.write([bytes], written)
      else if (random.chance(0.8)) {
        connection.write([framed(bytes.subarray(4, 8), spoiled(bytes.subarray(8), random))], written)
      } else connection.write([Buffer.from(spoiled(bytes, random))], written)
    },
    destroy: (error) => {
      connection.destroy(error)
    },
    onData: (listener) => {
      connection.onData(listener)
    },
    onClose: (listener) => {
      connection.onClose(listener)
    },
    pause: () => {
      connection.pause()
    },
    resume: () => {
      connection.resume()
    },
  }
}
