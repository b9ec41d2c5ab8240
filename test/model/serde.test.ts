import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deserializeFunctionOf, isPromiseLike, serdeHeadersOf, serializeFunctionOf } from '#src/model/serde.js'

test('headers become an object: a name that repeats has an array, and every name is only a name', () => {
  const header = (key: string, value: string | null) => ({ key, value })
  const headers = serdeHeadersOf([
    header('a', '1'),
    header('__proto__', '2'),
    header('a', null),
    header('constructor', '3'),
    header('a', '4'),
  ])
  assert.deepEqual(Object.entries(headers), [
    ['a', ['1', null, '4']],
    ['__proto__', '2'],
    ['constructor', '3'],
  ])
  assert.equal(serdeHeadersOf(undefined)['constructor'], undefined)
  assert.equal(serdeHeadersOf([])['toString'], undefined)
  assert.notEqual(serdeHeadersOf(undefined), serdeHeadersOf(undefined), 'each call has its own')
})

test('a serializer is a function or an object, whose method keeps its this', () => {
  const object = {
    mark: '!',
    serialize(topic: string, data: string): string {
      return topic + data + this.mark
    },
    deserialize(topic: string, data: Buffer): string {
      return topic + data.toString() + this.mark
    },
  }
  assert.equal(serializeFunctionOf<string>(object)('t', 'v', {}), 'tv!')
  assert.equal(serializeFunctionOf<string>((topic, data) => topic + data)('t', 'v', {}), 'tv')
  assert.equal(deserializeFunctionOf(object)('t', Buffer.from('v'), {}), 'tv!')
})

test('a promise is waited for, and bytes are not', () => {
  assert.equal(isPromiseLike(Promise.resolve()), true)
  for (const not of [null, undefined, 'then', Buffer.alloc(1), {}]) assert.equal(isPromiseLike(not), false)
})
