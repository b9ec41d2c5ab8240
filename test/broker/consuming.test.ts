import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Consumer } from '#src/consumer/consumer.js'
import { ClosedError, IllegalStateError, InvalidArgumentError, NoOffsetError } from '#src/errors/errors.js'
import { kafka, uniqueName } from '../support/kafka/kafka.js'
import { consumerOn, numbered, produce, soon, take, valuesOf } from './consumer-support.js'

const broker = await kafka()

test('a consumer without a group reads all partitions of its topics, and so does the next one', async (t) => {
  const topic = await broker.createTopic({ partitions: 2 })
  await produce(broker, topic, numbered('a', 100), { partition: 0 })
  await produce(broker, topic, numbered('b', 100), { partition: 1 })
  for (let i = 0; i < 2; i++) {
    const consumer = consumerOn(t, broker)
    await consumer.subscribe([topic])
    const records = await take(consumer, 200)
    for (const [partition, prefix] of ['a', 'b'].entries()) {
      const own = records.filter((record) => record.partition === partition)
      assert.deepEqual(valuesOf(own), numbered(prefix, 100))
      assert.deepEqual(
        own.map(({ offset }) => offset),
        [...Array(100).keys()],
      )
    }
    assert.equal(consumer.assignment().length, 2)
    await assert.rejects(consumer.commit(), IllegalStateError)
    await assert.rejects(consumer.committed([{ topic, partition: 0 }]), IllegalStateError)
    assert.throws(() => consumer.groupMetadata(), IllegalStateError)
  }
})

test('for await walks the records in order and ends when the consumer is closed', async (t) => {
  const topic = await broker.createTopic()
  await produce(broker, topic, numbered('v', 50))
  const consumer = consumerOn(t, broker)
  consumer.assign([{ topic, partition: 0 }])
  const values: string[] = []
  for await (const record of consumer) {
    values.push(record.value!.toString())
    if (values.length === 50) setImmediate(() => void consumer.close())
  }
  assert.deepEqual(values, numbered('v', 50))
})

test('a record has key, value, headers in order, timestamp and leader epoch', async (t) => {
  const topic = await broker.createTopic()
  const before = Date.now()
  await broker.kcat(['-P', '-t', topic, '-K:', '-H', 'a=1', '-H', 'b=2', '-H', 'a=3'], 'the key:the value\n')
  await broker.kcat(['-P', '-t', topic, '-Z', '-K:'], 'tombstone:\n')
  const consumer = consumerOn(t, broker)
  consumer.assign([{ topic, partition: 0 }])
  const [first, second] = await take(consumer, 2)
  assert.ok(first !== undefined && second !== undefined)
  assert.equal(first.topic, topic)
  assert.equal(first.partition, 0)
  assert.equal(first.offset, 0)
  assert.equal(first.key?.toString(), 'the key')
  assert.equal(first.value?.toString(), 'the value')
  const headers = first.headers.map(({ key, value }) => `${key}=${value?.toString()}`)
  assert.deepEqual(headers, ['a=1', 'b=2', 'a=3'])
  assert.equal(first.header('a')?.toString(), '3')
  assert.equal(first.header('c'), undefined)
  assert.equal(first.timestampType, 'CreateTime')
  assert.ok(first.timestamp >= before - 1_000 && first.timestamp <= Date.now() + 1_000)
  assert.equal(first.leaderEpoch, 0)
  assert.equal(second.value, null)
  assert.equal(second.key?.toString(), 'tombstone')
})

test('with LogAppendTime the timestamp is the broker’s', async (t) => {
  const topic = await broker.createTopic({ configs: { 'message.timestamp.type': 'LogAppendTime' } })
  await produce(broker, topic, ['x'])
  const consumer = consumerOn(t, broker)
  consumer.assign([{ topic, partition: 0 }])
  const [record] = await take(consumer, 1)
  assert.equal(record?.timestampType, 'LogAppendTime')
})

test('getMany and getOne ask for some partitions only', async (t) => {
  const topic = await broker.createTopic({ partitions: 2 })
  for (const partition of [0, 1]) await produce(broker, topic, numbered(`p${partition}`, 20), { partition })
  const consumer = consumerOn(t, broker)
  await consumer.subscribe([topic])
  const one = { topic, partition: 1 }
  const first = await consumer.getOne({ partitions: [one], ...soon() })
  assert.equal(first.value?.toString(), 'p1-0')
  const rest: string[] = []
  while (rest.length < 19) {
    for (const record of await consumer.getMany({ partitions: [one], ...soon() })) rest.push(record.value!.toString())
  }
  assert.deepEqual(rest, numbered('p1', 20).slice(1))
  const others = await take(consumer, 20)
  assert.deepEqual(valuesOf(others), numbered('p0', 20))
})

test('getMany gives at most maxRecords, else maxPollRecords, and what is there when the time is up', async (t) => {
  const topic = await broker.createTopic()
  await produce(broker, topic, numbered('v', 100))
  const consumer = consumerOn(t, broker, { maxPollRecords: 48 })
  consumer.assign([{ topic, partition: 0 }])
  assert.equal((await consumer.getMany(soon())).size, 48)
  assert.equal((await consumer.getMany({ maxRecords: 42, ...soon() })).size, 42)
  const last = await consumer.getMany({ maxRecords: 50, ...soon() })
  assert.equal(last.size, 10)
  assert.deepEqual(last.partitions(), [{ topic, partition: 0 }])
  assert.deepEqual(last.nextOffsets(), [{ topic, partition: 0, offset: 100, leaderEpoch: 0 }])
  assert.equal((await consumer.getMany({ timeoutMs: 0 })).size, 0)
  const before = performance.now()
  assert.equal((await consumer.getMany({ timeoutMs: 200 })).size, 0)
  assert.ok(performance.now() - before >= 195)
  await assert.rejects(consumer.getMany({ maxRecords: 0 }), InvalidArgumentError)
})

test('a signal ends the wait of getMany and getOne with its reason', async (t) => {
  const topic = await broker.createTopic()
  const consumer = consumerOn(t, broker)
  consumer.assign([{ topic, partition: 0 }])
  const abort = new AbortController()
  const reason = new Error('enough')
  const calls = [consumer.getMany({ signal: abort.signal }), consumer.getOne({ signal: abort.signal })]
  setTimeout(() => abort.abort(reason), 20)
  for (const call of calls) await assert.rejects(call, reason)
  await produce(broker, topic, ['still there'])
  assert.deepEqual(valuesOf(await take(consumer, 1)), ['still there'])
})

test('seek goes back and forth, within what is buffered and beyond it', async (t) => {
  const topic = await broker.createTopic()
  await produce(broker, topic, numbered('v', 100))
  const consumer = consumerOn(t, broker)
  const partition = { topic, partition: 0 }
  consumer.assign([partition])
  assert.equal((await take(consumer, 10)).at(-1)?.offset, 9)
  consumer.seek(partition, 4)
  assert.equal(await consumer.position(partition), 4)
  assert.deepEqual(
    (await take(consumer, 3)).map(({ offset }) => offset),
    [4, 5, 6],
  )
  consumer.seek(partition, 95)
  assert.deepEqual(
    (await take(consumer, 5)).map(({ offset }) => offset),
    [95, 96, 97, 98, 99],
  )
  consumer.seekToBeginning()
  assert.equal((await take(consumer, 1))[0]?.offset, 0)
  consumer.seekToEnd([partition])
  assert.equal(await consumer.position(partition), 100)
  const pending = consumer.getOne(soon())
  await produce(broker, topic, ['new'])
  assert.equal((await pending).offset, 100)
  assert.throws(() => consumer.seek(partition, -1), InvalidArgumentError)
  assert.throws(() => consumer.seek({ topic, partition: 1 }, 0), IllegalStateError)
})

test('autoOffsetReset says where to start: latest, earliest, or nowhere', async (t) => {
  const topic = await broker.createTopic()
  const partition = { topic, partition: 0 }
  await produce(broker, topic, numbered('old', 3))
  const latest = consumerOn(t, broker, { autoOffsetReset: 'latest' })
  latest.assign([partition])
  assert.equal(await latest.position(partition), 3)
  const none = consumerOn(t, broker, { autoOffsetReset: 'none' })
  none.assign([partition])
  for (let i = 0; i < 2; i++) await assert.rejects(none.getMany(soon()), NoOffsetError)
  await assert.rejects(none.position(partition), NoOffsetError)
  none.seek(partition, 1)
  assert.deepEqual(valuesOf(await take(none, 2)), ['old-1', 'old-2'])
  none.seek(partition, 1_999)
  for (let i = 0; i < 2; i++) {
    await assert.rejects(none.getMany(soon()), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'OFFSET_OUT_OF_RANGE')
      assert.match(error.message, new RegExp(`offset 1999 of partition 0 of '${topic}'`))
      return true
    })
  }
  none.seek(partition, 2)
  assert.deepEqual(valuesOf(await take(none, 1)), ['old-2'])
  const reset = consumerOn(t, broker)
  reset.assign([partition])
  reset.seek(partition, 1_999)
  assert.deepEqual(valuesOf(await take(reset, 3)), numbered('old', 3))
})

test('a paused partition gives nothing until it is resumed, even with a fetch in flight', async (t) => {
  const topic = await broker.createTopic({ partitions: 2 })
  const zero = { topic, partition: 0 }
  const consumer = consumerOn(t, broker)
  await consumer.subscribe([topic])
  await consumer.assigned(soon())
  await consumer.getMany({ timeoutMs: 100 })
  consumer.pause([zero])
  assert.deepEqual(consumer.paused(), [zero])
  await produce(broker, topic, ['paused'], { partition: 0 })
  await produce(broker, topic, ['flows'], { partition: 1 })
  assert.deepEqual(valuesOf(await take(consumer, 1)), ['flows'])
  assert.equal((await consumer.getMany({ timeoutMs: 700 })).size, 0)
  const before = performance.now()
  consumer.resume([zero])
  assert.deepEqual(consumer.paused(), [])
  assert.deepEqual(valuesOf(await take(consumer, 1)), ['paused'])
  assert.ok(performance.now() - before < 400, 'resuming waits for no long poll')
})

test('offsets of beginnings, ends and moments are told in the order asked', async (t) => {
  const topic = await broker.createTopic({ partitions: 2 })
  await produce(broker, topic, numbered('v', 5), { partition: 1 })
  const middle = Date.now() + 1
  await new Promise((resolve) => setTimeout(resolve, 20))
  await produce(broker, topic, numbered('w', 5), { partition: 1 })
  const consumer = consumerOn(t, broker)
  const [zero, one] = [
    { topic, partition: 0 },
    { topic, partition: 1 },
  ]
  assert.deepEqual(await consumer.endOffsets([one, zero]), [10, 0])
  assert.deepEqual(await consumer.beginningOffsets([one, zero]), [0, 0])
  const [found, none, tooLate] = await consumer.offsetsForTimes([
    { ...one, timestamp: middle },
    { ...zero, timestamp: middle },
    { ...one, timestamp: Date.now() + 100_000 },
  ])
  assert.equal(found?.offset, 5)
  assert.ok(found.timestamp >= middle)
  assert.equal(none, null)
  assert.equal(tooLate, null)
  assert.deepEqual(await consumer.offsetsForTimes([]), [])
  await assert.rejects(consumer.offsetsForTimes([{ ...one, timestamp: -1 }]), InvalidArgumentError)
})

test('lag, high watermark and position follow the reading', async (t) => {
  const topic = await broker.createTopic()
  const partition = { topic, partition: 0 }
  await produce(broker, topic, numbered('v', 10))
  const consumer = consumerOn(t, broker)
  consumer.assign([partition])
  assert.equal(consumer.lag(partition), null)
  assert.equal(consumer.highWatermark(partition), null)
  await take(consumer, 4)
  assert.equal(consumer.lag(partition), 6)
  assert.equal(consumer.highWatermark(partition), 10)
  assert.equal(consumer.lastStableOffset(partition), 10)
  assert.equal(await consumer.position(partition), 4)
  assert.equal(consumer.metrics().records, 4)
  assert.equal(consumer.metrics().maxLag, 6)
})

test('records larger than every fetch limit are still delivered, in order', async (t) => {
  const topic = await broker.createTopic()
  const large = 'x'.repeat(50_000)
  for (const value of ['small', large, 'small again']) await produce(broker, topic, [value])
  const consumer = consumerOn(t, broker, {
    maxPartitionFetchBytes: 4_000,
    fetchMaxBytes: 4_000,
    fetchBufferBytes: 4_000,
  })
  consumer.assign([{ topic, partition: 0 }])
  assert.deepEqual(valuesOf(await take(consumer, 3)), ['small', large, 'small again'])
})

for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`what librdkafka and Java compress with ${codec} is read`, async (t) => {
    const topic = await broker.createTopic()
    await produce(broker, topic, numbered('kcat', 500), { codec })
    await broker.consoleProducer(topic, numbered('java', 500), {
      args: ['--compression-codec', codec],
    })
    const consumer = consumerOn(t, broker)
    consumer.assign([{ topic, partition: 0 }])
    const records = await take(consumer, 1_000)
    assert.deepEqual(valuesOf(records), [...numbered('kcat', 500), ...numbered('java', 500)])
    // Into the middle of a compressed batch: what lies before is skipped.
    consumer.seek({ topic, partition: 0 }, 250)
    assert.equal((await take(consumer, 1))[0]?.value?.toString(), 'kcat-250')
  })
}

test('mixed getOne, getMany and iterators give every record to exactly one caller, in order', async (t) => {
  const topic = await broker.createTopic()
  await produce(broker, topic, numbered('v', 1_000))
  const consumer = consumerOn(t, broker)
  consumer.assign([{ topic, partition: 0 }])
  const seen: number[] = []
  const stop = new AbortController()
  const readers = [
    (async () => {
      for await (const { offset } of consumer) {
        seen.push(offset)
        if (seen.length >= 1_000) break
      }
    })(),
    (async () => {
      for (;;) seen.push((await consumer.getOne({ signal: stop.signal })).offset)
    })(),
    (async () => {
      for (;;) {
        for (const { offset } of await consumer.getMany({ maxRecords: 7, signal: stop.signal })) seen.push(offset)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })(),
  ]
  while (seen.length < 1_000) await new Promise((resolve) => setTimeout(resolve, 5))
  stop.abort()
  await consumer.close()
  await Promise.allSettled(readers)
  assert.deepEqual(
    seen.toSorted((a, b) => a - b),
    [...Array(1_000).keys()],
  )
})

test('close ends iterators, empties a pending getMany and rejects a pending getOne', async (t) => {
  const topic = await broker.createTopic()
  const consumer = consumerOn(t, broker)
  consumer.assign([{ topic, partition: 0 }])
  await consumer.start()
  const many = consumer.getMany()
  const one = consumer.getOne()
  const walk = (async () => {
    for await (const record of consumer) assert.fail(`unexpected ${record.offset}`)
  })()
  one.catch(() => {})
  await consumer.close()
  assert.equal((await many).size, 0)
  await assert.rejects(one, ClosedError)
  await walk
  await assert.rejects(consumer.getMany(), ClosedError)
  assert.throws(() => consumer.assign([]), ClosedError)
  await consumer.close()
})

test('destroy rejects what waits at once', async (t) => {
  const topic = await broker.createTopic()
  const consumer = consumerOn(t, broker)
  consumer.assign([{ topic, partition: 0 }])
  await consumer.start()
  const pending = consumer.getMany()
  const reason = new Error('out')
  consumer.destroy(reason)
  await assert.rejects(pending, (error) => error instanceof ClosedError && error.cause === reason)
})

test('a topic that appears later is read when it does', async (t) => {
  const name = uniqueName('later')
  const consumer = consumerOn(t, broker)
  await consumer.subscribe([name])
  const pending = consumer.getOne(soon())
  await broker.createTopic({ name })
  await produce(broker, name, ['at last'])
  assert.equal((await pending).value?.toString(), 'at last')
})

test('a regular expression follows topics as they come, and leaves out internal ones', async (t) => {
  const prefix = uniqueName('match')
  const first = await broker.createTopic({ name: `${prefix}-1` })
  const consumer = consumerOn(t, broker, { metadataMaxAgeMs: 200 })
  await consumer.subscribe(new RegExp(`^${prefix}-|^__`, 'g'))
  await produce(broker, first, ['one'])
  assert.deepEqual(valuesOf(await take(consumer, 1)), ['one'])
  const second = await broker.createTopic({ name: `${prefix}-2` })
  await produce(broker, second, ['two'])
  assert.deepEqual(valuesOf(await take(consumer, 1)), ['two'])
  assert.deepEqual(new Set(consumer.assignment().map(({ topic }) => topic)), new Set([first, second]))
})

test('subscribing and assigning exclude each other until unsubscribe', async (t) => {
  const topic = await broker.createTopic({ partitions: 2 })
  await produce(broker, topic, ['zero'], { partition: 0 })
  await produce(broker, topic, ['one'], { partition: 1 })
  const consumer = consumerOn(t, broker)
  await consumer.subscribe([topic])
  assert.throws(() => {
    consumer.assign([{ topic, partition: 0 }])
  }, IllegalStateError)
  assert.deepEqual(consumer.subscription(), [topic])
  consumer.unsubscribe()
  consumer.assign([{ topic, partition: 1 }])
  await assert.rejects(consumer.subscribe([topic]), IllegalStateError)
  assert.equal(consumer.subscription(), null)
  assert.deepEqual(valuesOf(await take(consumer, 1)), ['one'])
  consumer.assign([{ topic, partition: 0 }])
  assert.deepEqual(valuesOf(await take(consumer, 1)), ['zero'])
  assert.deepEqual(consumer.assignment(), [{ topic, partition: 0 }])
})

test('with copyRecords a record has memory of its own', async (t) => {
  const topic = await broker.createTopic()
  await broker.kcat(['-P', '-t', topic, '-K:', '-H', 'h=1'], 'key:value\n')
  const consumer = consumerOn(t, broker, { copyRecords: true })
  consumer.assign([{ topic, partition: 0 }])
  const [record] = await take(consumer, 1)
  assert.equal(record?.value?.buffer.byteLength, 5)
  assert.equal(record.key?.buffer.byteLength, 3)
  assert.equal(record.headers[0]?.value?.buffer.byteLength, 1)
})

test('a consumer that was never started closes', async () => {
  await new Consumer({ bootstrapServers: broker.bootstrapServers }).close()
})
