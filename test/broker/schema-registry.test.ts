/**
 * Serializers of a schema registry's client plug in with no adapter: as they are declared, as they behave (asynchronous, with
 * requests of their own), and as they write (a magic byte and the schema's id before the payload, or the id in a header).
 * `RegistrySerializer` has the shape and the wire format of `@confluentinc/schemaregistry`, whose 280 packages are no
 * dependency of ours; `examples/schema-registry.mjs` uses the classes themselves.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Producer } from '#src/producer/producer.js'
import { without } from '../support/kafka/foreign-tools.ts'
import { kafka, linesOf } from '../support/kafka/kafka.ts'
import { startSchemaRegistry } from '../support/schema-registry.ts'

/** As the registry's client has it. */
interface Headers {
  [key: string]: Buffer | string | (Buffer | string)[] | undefined
}

class RegistrySerializer {
  readonly url: string
  readonly inHeader: boolean
  #latest: Promise<{ id: number; schema: string }> | undefined

  constructor(url: string, { inHeader = false } = {}) {
    this.url = url
    this.inHeader = inHeader
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- as it is declared there
  async serialize(topic: string, message: any, headers?: Headers): Promise<Buffer> {
    if (message == null) throw new Error('message is empty')
    this.#latest ??= fetch(`${this.url}/subjects/${topic}-value/versions/latest`).then(async (response) => {
      if (!response.ok) throw new Error(`no schema for subject ${topic}-value`)
      return (await response.json()) as { id: number; schema: string }
    })
    const { id, schema } = await this.#latest
    const { required } = JSON.parse(schema) as { required: string[] }
    for (const name of required) if (message[name] === undefined) throw new Error(`Invalid message: ${name} is missing`)
    const payload = Buffer.from(JSON.stringify(message))
    if (this.inHeader) {
      if (headers == null) throw new Error('Missing Headers')
      headers['__value_schema_id'] = Buffer.from([1, id >> 24, id >> 16, id >> 8, id])
      return payload
    }
    return Buffer.concat([Buffer.from([0, id >> 24, id >> 16, id >> 8, id]), payload])
  }
}

for (const inHeader of [false, true]) {
  const where = inHeader ? 'a header' : 'the payload'
  test(`a registry's serializer writes the schema's id into ${where}`, { skip: without('kcat') }, async (t) => {
    const registry = await startSchemaRegistry()
    t.after(() => registry.close())
    const broker = await kafka()
    const topic = await broker.createTopic()
    const producer = new Producer({
      bootstrapServers: broker.bootstrapServers,
      valueSerializer: new RegistrySerializer(registry.url, { inHeader }),
    })
    t.after(() => {
      producer.destroy()
    })
    const noSchema = await producer.send({ topic, value: { number: 0 } }).catch((error: unknown) => error)
    assert.equal((noSchema as { code?: string }).code, 'SERIALIZATION_FAILED')
    await fetch(`${registry.url}/subjects/${topic}-value/versions`, {
      method: 'POST',
      body: JSON.stringify({ schemaType: 'JSON', schema: JSON.stringify({ required: ['number'] }) }),
    })
    const typed = new Producer({
      bootstrapServers: broker.bootstrapServers,
      valueSerializer: new RegistrySerializer(registry.url, { inHeader }),
    })
    t.after(() => {
      typed.destroy()
    })
    const numbers = Array.from({ length: 200 }, (_, i) => i)
    const sent = numbers.map((number) => typed.send({ topic, key: 'k', value: { number }, headers: { source: 'web' } }))
    const bad = typed.send({ topic, value: { other: 1 } }).catch((error: unknown) => error)
    const tombstone = typed.send({ topic, key: 'k', value: null })
    const places = await Promise.all(sent)
    assert.deepEqual(
      places.map(({ offset }) => offset),
      numbers,
    )
    assert.match(String(await bad), /could not be serialized: Invalid message: number is missing/)
    assert.equal((await tombstone).offset, 200)
    await typed.close()
    assert.equal(registry.requests.filter((request) => request.startsWith('GET')).length, 2, 'one per serializer')

    const read = await broker.kcat(['-C', '-q', '-e', '-t', topic, '-o', 'beginning', '-f', '%S|%s|%h\\n'])
    const lines = linesOf(read)
    assert.equal(lines.length, 201)
    assert.match(lines[200]!, /^-1\|\|/)
    const payload = '{"number":7}'
    if (inHeader) {
      assert.match(lines[7]!, /^12\|\{"number":7\}\|source=web,__value_schema_id=/)
    } else {
      assert.equal(lines[7]!.split('|')[0], String(5 + payload.length))
      assert.ok(lines[7]!.endsWith(`${payload}|source=web`), lines[7])
    }
  })
}
