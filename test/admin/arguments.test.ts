import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Admin } from '#src/index.js'

// Nothing listens there: a call that went on to the network would fail in another way.
const admin = new Admin({ bootstrapServers: '127.0.0.1:1', apiTimeoutMs: 2_000 })

type AnyAdmin = Record<string, (first: unknown, options?: unknown) => Promise<unknown>>
const untyped = admin as unknown as AnyAdmin

async function refused(method: string, argument: unknown, message: string | RegExp, options?: object): Promise<void> {
  await assert.rejects(
    untyped[method]!(argument, options),
    { name: 'InvalidArgumentError', message },
    `${method}: ${message}`,
  )
}

test('createTopics says what is wrong with a topic before anything is sent', async () => {
  const one = (topic: object, message: string | RegExp) => refused('createTopics', [topic], message)
  await refused(
    'createTopics',
    'orders',
    "createTopics takes an array of { name, partitions, replicationFactor, configs }, not 'orders'",
  )
  await refused('createTopics', [], /was given an empty array/)
  await one({ name: 'a', numPartitions: 3 }, /has no 'numPartitions'; it has name, partitions, replicationFactor/)
  await one({ partitions: 3 }, "a new topic's name must be a string that is not empty, not undefined")
  await one({ name: '' }, /must be a string that is not empty, not ''/)
  await one({ name: 'a', partitions: 0 }, "partitions of topic 'a' must be a whole number from 1 to 2147483647, not 0")
  await one({ name: 'a', partitions: 1.5 }, /must be a whole number/)
  await one({ name: 'a', replicationFactor: 40_000 }, /replicationFactor of topic 'a' must be .* to 32767, not 40000/)
  await one({ name: 'a', partitions: 1, assignments: [[1]] }, /leave out partitions and replicationFactor/)
  await one({ name: 'a', assignments: [] }, /one array of broker ids per partition/)
  await one({ name: 'a', assignments: [[1], []] }, /entry 1, must be an array of at least one broker id/)
  await one({ name: 'a', assignments: [[1, 1]] }, /names a broker twice/)
  await one({ name: 'a', assignments: [['x']] }, /a whole number from 0 to 2147483647, not 'x'/)
  await one({ name: 'a', configs: ['x'] }, /configs of topic 'a' must be an object/)
  await one({ name: 'a', configs: { x: null } }, /config 'x' of topic 'a' must be a string, a number or a boolean/)
  await refused('createTopics', [{ name: 'a' }, { name: 'a' }], "createTopics was given topic 'a' twice: name it once")
  await refused(
    'createTopics',
    [{ name: 'a' }],
    /^createTopics has no option 'validate'; it has validateOnly, timeoutMs, signal$/,
    { validate: true },
  )
  await refused('createTopics', [{ name: 'a' }], /'validateOnly' of createTopics must be true or false/, {
    validateOnly: 1,
  })
})

test('topics are named by strings or ids, none of them twice', async () => {
  for (const method of ['deleteTopics', 'describeTopics']) {
    await refused(method, undefined, `${method} takes an array of topic names or { topicId }, not undefined`)
    await refused(method, [1], /must be an object with topicId, not 1/)
    await refused(method, [{ topicId: 'short' }], /must be 22 characters of base64url/)
    await refused(method, [{ topicId: '!'.repeat(22) }], /must be 22 characters of base64url/)
    await refused(method, ['a', 'b', 'a'], `${method} was given topic 'a' twice: name it once`)
  }
})

test('createPartitions wants a total and as many assignments as it says', async () => {
  await refused('createPartitions', [{ name: 'a' }], /totalCount of topic 'a' must be a whole number from 1/)
  await refused('createPartitions', [{ name: 'a', count: 3 }], /has no 'count'; it has name, totalCount, assignments/)
  await refused('createPartitions', [{ name: 'a', totalCount: 3, assignments: [1] }], /entry 0, must be an array/)
})

test('resources have a type that Kafka knows and a name that fits it', async () => {
  const describe = (resource: object, message: RegExp) => refused('describeConfigs', [resource], message)
  await describe({ type: 'TOPIC', name: 'a' }, /must be one of 'topic', 'broker', .*, not 'TOPIC'/)
  await describe(
    { type: 'topic', name: '' },
    /the name of a topic given to describeConfigs must be a string that is not empty/,
  )
  await describe({ type: 'broker', name: 'one' }, /must be a broker's id, not 'one'/)
  await describe({ type: 'broker-logger', name: '' }, /must be a string that is not empty/)
  await describe({ type: 'topic', name: 'a', configNames: [''] }, /a config's name of topic 'a'/)
  const alter = (operations: unknown, message: RegExp) =>
    refused('incrementalAlterConfigs', [{ type: 'topic', name: 'a', operations }], message)
  await alter([], /operations of topic 'a' was given an empty array/)
  await alter([{ name: 'x', op: 'SET', value: 1 }], /must be one of 'set', 'delete', 'append', 'subtract', not 'SET'/)
  await alter(
    [{ name: 'x', op: 'set' }],
    /the value of config 'x' of topic 'a' must be a string, a number or a boolean/,
  )
  await alter([{ name: 'x', op: 'delete', value: '1' }], /takes no value: leave it out/)
  await alter(
    [
      { name: 'x', op: 'delete' },
      { name: 'x', op: 'set', value: 1 },
    ],
    /was given config 'x' of topic 'a' twice/,
  )
})

test('a call takes a positive time and a real signal, and an aborted one ends it at once', async () => {
  await refused('listTopics', { timeoutMs: 0 }, "option 'timeoutMs' must be a number of ms above 0, not 0")
  await refused('listTopics', { signal: 'now' }, "option 'signal' must be an AbortSignal, not 'now'")
  await refused('listTopics', null, 'the options of a call must be an object, not null')
  const reason = new Error('no longer wanted')
  await assert.rejects(admin.listTopics({ signal: AbortSignal.abort(reason) }), reason)
})

test('an option that Admin does not have is refused in the constructor', () => {
  assert.throws(() => new Admin({ groupId: 'x' } as object), { name: 'InvalidOptionError', option: 'groupId' })
})

test('a closed Admin refuses calls', async () => {
  const closed = new Admin({ bootstrapServers: '127.0.0.1:1' })
  await closed.close()
  await closed.close()
  await assert.rejects(closed.listTopics(), { name: 'ClosedError', message: 'the Admin is closed' })
  await assert.rejects(closed.start(), { name: 'ClosedError' })
})
