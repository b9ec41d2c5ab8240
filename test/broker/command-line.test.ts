import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { kafka, linesOf, uniqueName, type Kafka } from '../support/kafka/kafka.js'
import { jackdaw, type Run, type RunOptions } from './command-line-support.js'

const folder = mkdtempSync(join(tmpdir(), 'jackdaw-command-line-'))
let broker: Kafka

before(async () => {
  broker = await kafka()
})
after(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** Runs a command on the broker, which its environment names. */
const run = (args: readonly string[], options: RunOptions = {}): Promise<Run> =>
  jackdaw(args, { ...options, env: { JACKDAW_BOOTSTRAP_SERVERS: broker.bootstrapServers } })

async function done(args: readonly string[], options?: RunOptions): Promise<string> {
  const { status, stdout, stderr } = await run(args, options)
  assert.equal(status, 0, stderr)
  return stdout.toString()
}

const consumed = async (topic: string, ...args: string[]): Promise<string[]> =>
  linesOf(await done(['consume', topic, '--from-beginning', '--until-end', ...args]))

const kcat = async (topic: string, format: string): Promise<string[]> =>
  linesOf(await broker.kcat(['-C', '-e', '-q', '-o', 'beginning', '-t', topic, '-f', `${format}\n`]))

describe('topics', () => {
  test('are created, listed, described and deleted', async () => {
    const [one, two] = [uniqueName('one'), uniqueName('two')]
    const create = ['topics', 'create', one, two, '--partitions', '2', '--replication-factor', '1']
    const created = await run([
      ...create,
      '--config',
      'retention.ms=60000',
      '--config',
      'cleanup.policy=compact,delete',
    ])
    assert.deepEqual(created, {
      status: 0,
      stdout: Buffer.alloc(0),
      stderr: `created '${one}' with 2 partitions\ncreated '${two}' with 2 partitions\n`,
    })
    const listed = linesOf(await done(['topics', 'list']))
    assert.ok(listed.includes(one) && listed.includes(two))
    const json = JSON.parse(await done(['topics', 'list', '--json'])) as { name: string; topicId: string }[]
    const { topicId } = json.find(({ name }) => name === one)!
    const described = linesOf(await done(['topics', 'describe', one]))
    assert.deepEqual(described, [
      `${one}: 2 partitions, id ${topicId}`,
      '  cleanup.policy=compact,delete',
      '  retention.ms=60000',
      '  partition  leader  replicas  in sync  offline',
      '  0          1       1         1        -',
      '  1          1       1         1        -',
    ])
    const [plain] = JSON.parse(await done(['topics', 'describe', two, '--json'])) as [{ configs: object; error: null }]
    assert.deepEqual(plain.configs, { 'cleanup.policy': 'compact,delete', 'retention.ms': '60000' })
    assert.equal(plain.error, null)
    const deleted = await run(['topics', 'delete', one, two])
    assert.deepEqual(deleted, { status: 0, stdout: Buffer.alloc(0), stderr: `deleted '${one}'\ndeleted '${two}'\n` })
    assert.ok(!linesOf(await done(['topics', 'list'])).some((name) => name === one || name === two))
  })

  test('that fail are told one by one, the others are done, and the status is 1', async () => {
    const [existing, fresh] = [await broker.createTopic(), uniqueName('fresh')]
    const created = await run(['topics', 'create', existing, fresh, '--partitions', '1'])
    assert.equal(created.status, 1)
    const [first, second, ...rest] = linesOf(created.stderr)
    assert.equal(first, `created '${fresh}' with 1 partition`)
    assert.match(second!, new RegExp(`^jackdaw: cannot create topic '${existing}': TOPIC_ALREADY_EXISTS`))
    assert.deepEqual(rest, [])
    const deleted = await run(['topics', 'delete', 'no-such-topic', fresh, '--json'])
    assert.equal(deleted.status, 1)
    const results = JSON.parse(deleted.stdout.toString()) as { name: string; error: { code: string } | null }[]
    assert.deepEqual(
      results.map(({ name, error }) => [name, error?.code ?? null]),
      [
        ['no-such-topic', 'UNKNOWN_TOPIC_OR_PARTITION'],
        [fresh, null],
      ],
    )
  })

  test('may exist already, or not exist any more, when one says so', async () => {
    const name = await broker.createTopic()
    assert.equal((await run(['topics', 'create', name, '--if-not-exists'])).stderr, `'${name}' exists already\n`)
    await done(['topics', 'delete', name])
    assert.equal((await run(['topics', 'delete', name, '--if-exists'])).stderr, `there is no topic '${name}'\n`)
  })
})

describe('produce', () => {
  test('sends keys, nulls, headers, empty lines and a last line without line feed', async () => {
    const topic = await broker.createTopic()
    const stdin = 'k1::v1\nno key\n\nk2::NULL\n::empty key\nNULL::x::y\nlast'
    const args = ['--key-separator', '::', '--null-marker', 'NULL', '--header', 'a=1', '--header', 'a=2']
    const { status, stdout, stderr } = await run(['produce', topic, ...args], { stdin })
    assert.deepEqual([status, stdout.length, stderr], [0, 0, `produced 7 records to '${topic}'\n`])
    assert.deepEqual(await kcat(topic, '%o %K:%k %S:%s %h'), [
      '0 2:k1 2:v1 a=1,a=2',
      '1 -1: 6:no key a=1,a=2',
      '2 -1: 0: a=1,a=2',
      '3 2:k2 -1: a=1,a=2',
      '4 0: 9:empty key a=1,a=2',
      '5 -1: 4:x::y a=1,a=2',
      '6 -1: 4:last a=1,a=2',
    ])
  })

  test('reads a file, writes to one partition, and keeps quiet when asked to', async () => {
    const topic = await broker.createTopic({ partitions: 3 })
    const file = join(folder, 'lines')
    writeFileSync(file, 'a\nb\n')
    const result = await run(['produce', topic, '--file', file, '--partition', '2', '--acks', '1', '-q'])
    assert.deepEqual(result, { status: 0, stdout: Buffer.alloc(0), stderr: '' })
    assert.deepEqual(await kcat(topic, '%p %s'), ['2 a', '2 b'])
  })

  test('fails with the number of records that were not delivered', async () => {
    const topic = await broker.createTopic()
    const { status, stderr } = await run(['produce', topic, '--partition', '5'], { stdin: 'a\nb\n' })
    assert.equal(status, 1)
    assert.match(stderr, /^jackdaw: 2 of 2 records were not delivered: there is no partition 5 of topic /)
  })

  test('sends what is before a line that cannot be sent', async () => {
    const topic = await broker.createTopic()
    const stdin = `before\n${'x'.repeat(2_000)}\nafter\n`
    const { status, stderr } = await run(['produce', topic, '--max-request-size', '1500'], { stdin })
    assert.deepEqual([status, stderr], [1, 'jackdaw: line 2 is longer than 1500 bytes\n'])
    assert.deepEqual(await kcat(topic, '%s'), ['before'])
  })

  test('says which file cannot be read', async () => {
    const { status, stderr } = await run(['produce', 'any', '--file', join(folder, 'missing')])
    assert.equal(status, 1)
    assert.match(stderr, /^jackdaw: cannot read '.*missing': ENOENT/)
  })

  test('sends what was read when it is interrupted', async () => {
    const topic = await broker.createTopic()
    const main = fileURLToPath(import.meta.resolve('#src/cli/main.js'))
    const child = spawn(process.execPath, [main, 'produce', topic, '-b', broker.bootstrapServers])
    const ended = new Promise((resolve) => child.on('close', resolve))
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    // Its standard input stays open: only the interrupt ends it, once the first line has arrived.
    child.stdin.write('first\nunfinished')
    assert.deepEqual(await broker.kcat(['-C', '-c', '1', '-q', '-o', 'beginning', '-t', topic]), 'first\n')
    child.kill('SIGINT')
    assert.equal(await ended, 0)
    assert.equal(stderr, `produced 2 records to '${topic}'\n`)
    assert.deepEqual(await kcat(topic, '%s'), ['first', 'unfinished'])
  })
})

describe('consume', () => {
  let topic: string
  before(async () => {
    topic = await broker.createTopic({ partitions: 2 })
    await broker.kcat(['-P', '-t', topic, '-p', '0', '-K:', '-H', 'h=1', '-H', 'i=2'], 'a:1\na:2\na:3\n')
    await broker.kcat(['-P', '-t', topic, '-p', '1', '-K:', '-Z'], 'b:\n')
  })

  test('writes values, formats and JSON', async () => {
    const by = (partition: string, ...args: string[]) => consumed(topic, '-p', partition, ...args)
    assert.deepEqual(await by('0'), ['1', '2', '3'])
    const format = String.raw`%t\t%p %o %K:%k %V:%v [%h]\x21 %%`
    assert.deepEqual(await by('0', '--format', format, '-n', '1'), [`${topic}\t0 0 1:a 1:1 [h=1,i=2]! %`])
    assert.deepEqual(await by('1', '--format', '%k=%v (%V)', '--null-marker', 'NULL'), ['b=NULL (-1)'])
    assert.equal(await done(['consume', topic, '-p', '0', '--offset', '1', '--until-end', '--delimiter', ';']), '2;3;')
    const [first] = (await by('0', '--format', 'json')).map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.ok(typeof first!['timestamp'] === 'number' && first!['timestamp'] > 1.5e12)
    assert.deepEqual(
      { ...first, timestamp: 0 },
      {
        ...{ topic, partition: 0, offset: 0, timestamp: 0, key: 'a', value: '1' },
        headers: [
          { key: 'h', value: '1' },
          { key: 'i', value: '2' },
        ],
      },
    )
    const [tombstone] = (await by('1', '--format', 'json')).map((line) => JSON.parse(line) as { value: null })
    assert.equal(tombstone?.value, null)
  })

  test('keeps bytes that are no text, also in JSON', async () => {
    const odd = await broker.createTopic()
    await done(['produce', odd], { stdin: Buffer.from([0xff, 0x00, 0x0d, 0x0a]) })
    const raw = await run(['consume', odd, '--from-beginning', '--until-end'])
    assert.deepEqual(raw.stdout, Buffer.from([0xff, 0x00, 0x0d, 0x0a]))
    const [line] = await consumed(odd, '--format', 'json')
    assert.deepEqual((JSON.parse(line!) as { value: object }).value, { base64: '/wAN' })
  })

  test('begins where it is told', async () => {
    const from = async (...args: string[]) => linesOf(await done(['consume', topic, '-p', '0', '--until-end', ...args]))
    assert.deepEqual(await from('--offset=-2'), ['2', '3'])
    assert.deepEqual(await from('--offset', '2'), ['3'])
    assert.deepEqual(await from('--offset', '99'), [])
    assert.deepEqual(await from('--offset=-99', '-n', '2'), ['1', '2'])
    assert.deepEqual(await from(), [])
  })

  test('goes on in a group where the last one of the group ended', async () => {
    const group = ['--group', uniqueName('group'), '--from-beginning']
    const values: string[] = []
    for (const most of ['1', '2', '9']) {
      values.push(...linesOf(await done(['consume', topic, ...group, '-n', most, '--until-end', '--format', '%k%v'])))
    }
    assert.deepEqual(values.sort(), ['a1', 'a2', 'a3', 'b'])
  })

  test('commits what was written and ends in order when it is interrupted', async () => {
    const group = uniqueName('group')
    let seen = ''
    const result = await run(['consume', topic, '--group', group, '--from-beginning', '--format', '%k%v'], {
      onOutput: (chunk, child) => {
        seen += chunk.toString()
        if (linesOf(seen).length === 4) child.kill('SIGINT')
      },
    })
    assert.equal(result.status, 0, result.stderr)
    assert.equal(result.stderr, `consumed 4 records from '${topic}'\n`)
    assert.equal(await done(['consume', topic, '--group', group, '--from-beginning', '--until-end']), '')
  })

  test('ends quietly when its reader goes away, and commits nothing that was not read', async () => {
    const group = uniqueName('group')
    const result = await run(['consume', topic, '--group', group, '--from-beginning'], {
      onSpawn: (child) => child.stdout!.destroy(),
    })
    assert.deepEqual([result.status, result.stderr], [0, ''])
    const rest = await done(['consume', topic, '--group', group, '--from-beginning', '--until-end', '--format', '%k%v'])
    assert.equal(linesOf(rest).length, 4)
  })

  test('refuses what does not go together, and what there is not', async () => {
    const refused = async (status: number, message: RegExp, ...args: string[]) => {
      const result = await run(['consume', ...args])
      assert.equal(result.status, status, result.stderr)
      assert.match(result.stderr, message)
      assert.equal(result.stdout.length, 0)
    }
    await refused(2, /--partition does not go with --group/, 'x', '--group', 'g', '-p', '1')
    await refused(2, /--offset does not go with --group/, 'x', '--group', 'g', '--offset', '1')
    await refused(2, /--offset and --from-beginning/, 'x', '--from-beginning', '--offset', '1')
    await refused(2, /--offset must be a whole number/, 'x', '--offset', 'first')
    await refused(2, /--format must be value, json or text with directives/, 'x', '--format', 'csv')
    await refused(2, /--format has no directive '%x'/, 'x', '--format', '%x')
    await refused(2, /'consume' has no flag --config/, 'x', '--config', 'client.properties')
    await refused(1, /^jackdaw: cannot describe topic 'x': UNKNOWN_TOPIC_OR_PARTITION/, 'x')
    await refused(1, new RegExp(`^jackdaw: topic '${topic}' has no partition 2`), topic, '-p', '2')
  })
})
