import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createContext, runInContext } from 'node:vm'
import fc from 'fast-check'
import { deserializers, serializers, type Deserializers, type Serializers } from '#src/model/standard-serdes.js'

type Name = keyof Serializers & keyof Deserializers

function write(name: Name, data: unknown): Buffer {
  const serialize = serializers[name] as (topic: string, data: unknown, headers: object) => string | Uint8Array
  return Buffer.from(serialize('t', data, {}) as string)
}

function read(name: Name, bytes: Buffer): unknown {
  return (deserializers[name] as (topic: string, data: Buffer, headers: object) => unknown)('t', bytes, {})
}

test('what Java writes is what we write', () => {
  // The bytes that the serializers of Kafka's Java clients give.
  for (const [name, data, hex] of [
    ['string', 'ü', 'c3bc'],
    ['int16', -2, 'fffe'],
    ['int32', 258, '00000102'],
    ['int64', 2n ** 40n, '0000010000000000'],
    ['float32', 1.5, '3fc00000'],
    ['float64', -1.5, 'bff8000000000000'],
    ['boolean', true, '01'],
    ['boolean', false, '00'],
  ] as const) {
    assert.equal(write(name, data).toString('hex'), hex, name)
    assert.deepEqual(read(name, Buffer.from(hex, 'hex')), data, name)
  }
  const uuid = '1b4e28ba-2fa1-11d2-883f-0016d3cca427'
  assert.equal(write('uuid', uuid).toString(), uuid)
  assert.equal(read('uuid', Buffer.from(uuid.toUpperCase())), uuid)
})

test('what is written is what is read', () => {
  const arbitraries: Record<Name, fc.Arbitrary<unknown>> = {
    string: fc.string({ unit: 'grapheme' }),
    bytes: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    json: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
    int16: fc.integer({ min: -0x8000, max: 0x7fff }),
    int32: fc.integer(),
    int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    float32: fc.float(),
    float64: fc.double(),
    boolean: fc.boolean(),
    uuid: fc.uuid(),
  }
  for (const [name, arbitrary] of Object.entries(arbitraries) as [Name, fc.Arbitrary<unknown>][]) {
    fc.assert(
      fc.property(arbitrary, (data) => {
        assert.deepEqual(read(name, write(name, data)), data)
      }),
    )
  }
})

test('data of another kind is an error, and never bytes that nobody meant', () => {
  for (const [name, data] of [
    ['string', 1],
    ['string', Buffer.from('x')],
    ['bytes', 'text'],
    ['bytes', [1, 2]],
    ['json', undefined],
    ['json', () => {}],
    ['int16', 0x8000],
    ['int32', 2 ** 31],
    ['int32', 1.5],
    ['int32', '1'],
    ['int64', 2 ** 53],
    ['int64', 2n ** 63n],
    ['int64', 'x'],
    ['float32', '1'],
    ['float64', 1n],
    ['boolean', 1],
    ['uuid', 'no uuid'],
    ['uuid', 7],
  ] as const) {
    assert.throws(() => write(name, data), /needed|JSON has nothing|out of range/, `${name} of ${String(data)}`)
  }
})

test('bytes of another size are an error', () => {
  for (const [name, size, message] of [
    ['int16', 3, 'an int16 has 2 bytes, not 3'],
    ['int32', 3, 'an int32 has 4 bytes, not 3'],
    ['int64', 4, 'an int64 has 8 bytes, not 4'],
    ['float32', 8, 'a float32 has 4 bytes, not 8'],
    ['float64', 0, 'a float64 has 8 bytes, not 0'],
    ['boolean', 2, 'a boolean has one byte, 0 or 1'],
  ] as const) {
    assert.throws(() => read(name, Buffer.alloc(size)), { message })
  }
  assert.throws(() => read('boolean', Buffer.of(2)), /0 or 1/)
  assert.throws(() => read('uuid', Buffer.from('x')), /a UUID is needed/)
  assert.throws(() => read('json', Buffer.from('{')), SyntaxError)
})

test('int64 takes safe integers too, and bytes those of another realm', () => {
  assert.equal(write('int64', -1).toString('hex'), 'ffffffffffffffff')
  const foreign = runInContext('new Uint8Array([1, 2])', createContext()) as Uint8Array
  assert.deepEqual(write('bytes', foreign), Buffer.of(1, 2))
})
