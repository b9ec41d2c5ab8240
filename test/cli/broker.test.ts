import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Admin, Producer } from 'jackdaw'
import { startBrokerProcess, type BrokerProcess } from '../support/broker-process.ts'

const main = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))

async function start(t: TestContext, ...args: string[]): Promise<BrokerProcess> {
  const broker = await startBrokerProcess(['--port', '0', ...args])
  t.after(() => broker.child.kill('SIGKILL'))
  return broker
}

/** What ends before it serves: status and standard error. */
function refused(...args: string[]): { status: number | null; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'broker', ...args], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  assert.equal(stdout, '')
  return { status, stderr }
}

test('the broker has the topics it was given and takes records', async (t) => {
  const { bootstrapServers, stderr } = await start(t, '--topic', 'orders:3', '-t', 'audit', '--brokers', '2')
  assert.match(bootstrapServers, /^127\.0\.0\.1:\d+,127\.0\.0\.1:\d+$/)
  assert.match(stderr(), /2 brokers listening at .* \(ready after \d+ ms\)/)
  assert.match(stderr(), /orders \(3 partitions\), audit \(1 partition\)/)
  assert.match(stderr(), /memory only/)
  const admin = new Admin({ bootstrapServers })
  t.after(() => admin.close())
  const topics = await admin.describeTopics(['orders', 'audit'])
  assert.deepEqual(
    topics.map(({ partitions }) => partitions?.map(({ replicas }) => replicas.length)),
    [[2, 2, 2], [2]],
  )
  const producer = new Producer({ bootstrapServers })
  t.after(() => producer.close())
  const { offset } = await producer.send({ topic: 'orders', value: 'x', partition: 2 })
  assert.equal(offset, 0)
})

test('the broker has the properties it was given', async (t) => {
  const { bootstrapServers } = await start(t, '--property', 'num.partitions=7')
  const admin = new Admin({ bootstrapServers })
  t.after(() => admin.close())
  const [created] = await admin.createTopics([{ name: 'seven' }])
  assert.equal(created?.partitions, 7)
})

test('a partition forgets its oldest records beyond what it may keep', async (t) => {
  const { bootstrapServers } = await start(t, '--topic', 'full', '--partition-bytes', '10000')
  const producer = new Producer({ bootstrapServers })
  t.after(() => producer.close())
  for (let i = 0; i < 30; i++) await producer.send({ topic: 'full', value: Buffer.alloc(1_000) })
  const admin = new Admin({ bootstrapServers })
  t.after(() => admin.close())
  // What is gone cannot be read, and what is there can: no more than nine of these batches fit.
  const { status, stdout } = spawnSync(
    process.execPath,
    [main, 'consume', 'full', '-b', bootstrapServers, '--from-beginning', '--until-end', '--format', '%o\n', '--quiet'],
    { encoding: 'utf8', timeout: 20_000 },
  )
  assert.equal(status, 0)
  const offsets = stdout.match(/\d+/g)!.map(Number)
  assert.equal(offsets.at(-1), 29)
  assert.ok(offsets.length >= 5 && offsets.length <= 9, `${offsets.length} are left`)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends the broker with status 0, with a client connected`, async (t) => {
    const { child, bootstrapServers, stderr, stdout } = await start(t)
    const admin = await new Admin({ bootstrapServers }).start()
    t.after(() => {
      admin.destroy()
    })
    child.kill(signal)
    const [status] = (await once(child, 'exit')) as [number | null]
    assert.equal(status, 0)
    assert.equal(stdout(), '')
    assert.match(stderr(), /the broker has ended/)
  })
}

test('a port that is in use is told, with status 1', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  assert.deepEqual(refused('--port', String(port)), {
    status: 1,
    stderr: `jackdaw: port ${port} of 127.0.0.1 is in use: end what listens there, or choose another with --port\n`,
  })
})

test('an address of another machine is told, with status 1', () => {
  // TEST-NET-1 of RFC 5737 is nobody's.
  assert.deepEqual(refused('--host', '192.0.2.1', '--port', '0'), {
    status: 1,
    stderr: 'jackdaw: 192.0.2.1 is no address of this machine: choose another with --host\n',
  })
})

for (const { args, says } of [
  { args: ['--topic', 'a:0'], says: "--topic must be NAME or NAME:PARTITIONS, not 'a:0'" },
  { args: ['--topic', ':3'], says: "--topic must be NAME or NAME:PARTITIONS, not ':3'" },
  { args: ['--topic', 'a:1000000000'], says: '--topic takes at most 10000 partitions, not 1000000000' },
  { args: ['--topic', 'a', '--topic', 'a:2'], says: "--topic names 'a' twice" },
  { args: ['--topic', 'a b'], says: 'a b' },
  { args: ['--port', '70000'], says: "--port must be at most 65535, not '70000'" },
  { args: ['--port', '65535', '--brokers', '2'], says: '2 brokers from port 65535 on would need port 65536' },
  { args: ['--brokers', '0'], says: "--brokers must be a whole number of at least 1, not '0'" },
  { args: ['--property', 'no.such=1'], says: 'no.such' },
  { args: ['--property', 'num.partitions=few'], says: 'num.partitions' },
  { args: ['orders'], says: "'broker' takes no argument, but was given 'orders'" },
]) {
  test(`${args.join(' ')} is bad usage, with status 2`, () => {
    const { status, stderr } = refused('--port', '0', ...args)
    assert.equal(status, 2, stderr)
    assert.ok(stderr.includes(says), stderr)
    assert.ok(stderr.endsWith("see 'jackdaw broker --help'\n"), stderr)
  })
}

test('the broker is ready within 300 ms of its start', async (t) => {
  // A machine that is busy with other tests may need several tries; one that never makes it has a slow start.
  const tries: number[] = []
  while (tries.length < 10 && (tries.at(-1) ?? Infinity) > 300) {
    const { child, stderr } = await start(t)
    tries.push(Number(/ready after (\d+) ms/.exec(stderr())![1]))
    child.kill('SIGKILL')
  }
  assert.ok(tries.at(-1)! <= 300, `ready after ${tries.join(', ')} ms`)
})
