/** Our codecs against the bytes that Kafka's own classes write. */

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import {
  apis,
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription,
  ControlRecordTypeSchema,
  decodeMessage,
  EndTxnMarker,
  Reader,
  requestHeaderVersion,
  responseHeaderVersion,
  Writer,
  type MessageCodec,
} from '#src/wire/index.js'
import { goldenCases, whyNot, type GoldenCase } from './golden-cases.ts'

const data = [ConsumerProtocolSubscription, ConsumerProtocolAssignment, ControlRecordTypeSchema, EndTxnMarker]
const dataByName = new Map(data.map((schema) => [schema.name, schema as MessageCodec<unknown>]))
const apiByName = new Map(apis.map((api) => [api.name, api]))

/** What stands in the place of records: the JSON does not have them. */
const records = Buffer.from(Array.from({ length: 37 }, (_, index) => index))

// Where brokers are required, so is this: then the lack of Java is a failure.
const reason = process.env['JACKDAW_REQUIRE_BROKERS'] === '1' ? undefined : whyNot()

// A suite that is skipped says nothing where tests are counted: one test stands for it.
if (reason !== undefined) test("every message is compared with Kafka's own bytes", { skip: reason }, () => {})

describe("Kafka's own bytes", { skip: reason !== undefined }, () => {
  let cases: GoldenCase[] = []

  before(async () => {
    cases = await goldenCases()
  })

  test('cover every API at every version, both ways, with four kinds of values', () => {
    // 331 versions of 89 APIs both ways, and 10 versions of 4 schemas beside them.
    assert.equal(apis.length, 89)
    assert.equal(cases.length, (331 * 2 + 10) * 4)
    const expected = new Set<string>()
    for (const kind of ['default', 'high', 'low', 'varied']) {
      for (const api of apis) {
        for (let version = api.minVersion; version <= api.latestVersion; version++) {
          expected.add(`${api.name} request ${version} ${kind}`).add(`${api.name} response ${version} ${kind}`)
        }
      }
      for (const { name, minVersion, maxVersion } of data) {
        for (let version = minVersion; version <= maxVersion; version++) expected.add(`${name} data ${version} ${kind}`)
      }
    }
    assert.deepEqual(new Set(cases.map(title)), expected)
  })

  test('are read to the values that were written, to the last byte', () => {
    for (const one of cases) assertSame(read(one), one.json, title(one))
  })

  test('are written again from the values that were read', () => {
    for (const one of cases) assertBytes(write(one, read(one)), one)
  })

  test("are written from the values as Kafka's JSON has them", () => {
    for (const one of cases) assertBytes(write(one, fromJson(one.json, read(one))), one)
  })

  test('are written from nothing where all values are defaults', () => {
    const defaults = cases.filter(({ kind }) => kind === 'default')
    assert.equal(defaults.length, cases.length / 4)
    for (const one of defaults) assertBytes(write(one, {}), one)
  })

  test('cut short anywhere are refused', () => {
    for (const one of cases.filter(({ kind }) => kind === 'varied' || kind === 'default')) {
      const step = Math.max(1, Math.floor(one.bytes.length / 97))
      for (let length = 0; length < one.bytes.length; length += step) {
        assert.throws(
          () => read({ ...one, bytes: one.bytes.subarray(0, length) }),
          { code: 'MALFORMED_MESSAGE' },
          `${title(one)} cut to ${length} of ${one.bytes.length} bytes`,
        )
      }
    }
  })

  test('with a byte too many are refused', () => {
    for (const one of cases) {
      const longer = Buffer.concat([one.bytes, Buffer.of(0)])
      assert.throws(() => read({ ...one, bytes: longer }), { code: 'MALFORMED_MESSAGE' }, title(one))
    }
  })

  test('stand behind headers of the versions that we put before them', () => {
    for (const one of cases) {
      const api = apiByName.get(one.name)
      if (api === undefined) continue
      assert.equal(api.key, one.key)
      const ours = one.direction === 'request' ? requestHeaderVersion : responseHeaderVersion
      assert.equal(ours(api, one.version), one.headerVersion, title(one))
    }
  })
})

function title({ name, direction, version, kind }: GoldenCase): string {
  return `${name} ${direction} ${version} ${kind}`
}

function codecOf({ name, direction }: GoldenCase): MessageCodec<unknown> {
  const codec = direction === 'data' ? dataByName.get(name) : apiByName.get(name)?.[direction]
  assert.ok(codec !== undefined, `there is no codec for ${name}`)
  return codec
}

function read(one: GoldenCase): unknown {
  return decodeMessage(new Reader(one.bytes), codecOf(one), one.version, title(one))
}

function write(one: GoldenCase, message: unknown): Buffer {
  const writer = new Writer()
  codecOf(one).encode(writer, message, one.version)
  return writer.toBuffer()
}

function assertBytes(ours: Buffer, one: GoldenCase): void {
  if (!ours.equals(one.bytes)) assert.equal(ours.toString('hex'), one.bytes.toString('hex'), title(one))
}

/** Compares what we read with Kafka's JSON. What the JSON leaves out, the version does not have. */
function assertSame(ours: unknown, json: unknown, path: string): void {
  if (Buffer.isBuffer(ours)) {
    assert.equal(typeof json, 'string', path)
    const isRecords = /records/i.test(path.slice(path.lastIndexOf('.')))
    const expected = isRecords && ours.length > 0 ? records : Buffer.from(String(json), 'base64')
    assert.deepEqual(ours, expected, path)
  } else if (typeof ours === 'bigint') {
    assert.equal(ours, BigInt(json as string | number), path)
  } else if (Array.isArray(ours)) {
    assert.ok(Array.isArray(json) && json.length === ours.length, path)
    ours.forEach((value, index) => assertSame(value, json[index], `${path}[${index}]`))
  } else if (typeof ours === 'object' && ours !== null) {
    assert.ok(typeof json === 'object' && json !== null, path)
    for (const [name, value] of Object.entries(json)) {
      assert.ok(Object.hasOwn(ours, name), `${path} has no '${name}'`)
      assertSame((ours as Record<string, unknown>)[name], value, `${path}.${name}`)
    }
  } else {
    assert.equal(ours, json, path)
  }
}

/** What we would write by hand for the JSON: `like` only says which strings are bytes, and has what JSON lacks. */
function fromJson(json: unknown, like: unknown): unknown {
  if (Buffer.isBuffer(like)) return json === '' ? like : new Uint8Array(Buffer.from(String(json), 'base64'))
  if (typeof like === 'bigint') return BigInt(json as string | number)
  if (Array.isArray(json)) return json.map((value, index) => fromJson(value, (like as unknown[])[index]))
  if (typeof json !== 'object' || json === null) return json
  const known = like as Record<string, unknown>
  const entries = Object.entries(json).map(([name, value]) => [name, fromJson(value, known[name])])
  return { ...Object.fromEntries(entries), unknownTaggedFields: known['unknownTaggedFields'] }
}
