/** A real text of 200,000 lines and more, through the command line and every codec, to foreign clients and from them. */

import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Admin, Cluster } from '#src/index.js'
import { Fetch } from '#src/wire/messages/fetch.js'
import { kafka, type Kafka } from '../support/kafka/kafka.js'
import {
  difference,
  jackdaw,
  leastLines,
  linesByKey,
  oddLines,
  runCommand,
  textCorpus,
} from './command-line-support.js'

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const folder = mkdtempSync(join(tmpdir(), 'jackdaw-command-line-'))
const file = (name: string): string => join(folder, name)

let broker: Kafka
let text: Buffer
/** With lines that are no text, for those who carry bytes. */
let bytes: Buffer
let textLines: Map<string, string[]>
let byteLines: Map<string, string[]>

before(async () => {
  text = textCorpus()
  bytes = Buffer.concat([text, oddLines()])
  textLines = linesByKey(text)
  byteLines = linesByKey(bytes)
  writeFileSync(file('text'), text)
  writeFileSync(file('bytes'), bytes)
  broker = await kafka()
})
after(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** The codecs of all batches of a topic, as their attributes say. */
async function codecsIn(topic: string): Promise<Set<string | undefined>> {
  const cluster = await new Cluster({ bootstrapServers: broker.bootstrapServers }).start()
  try {
    const [description] = await new Admin({ cluster }).describeTopics([topic])
    const partitions = description!.partitions!.map(({ partition }) => ({ partition, partitionMaxBytes: 16_777_216 }))
    const request = { maxBytes: 67_108_864, topics: [{ topicId: description!.topicId!, partitions }] }
    const { responses } = await cluster.send({ kind: 'any' }, Fetch, request, { minVersion: 13 })
    const found = new Set<string | undefined>()
    for (const records of responses.flatMap((response) => response.partitions.map((partition) => partition.records))) {
      if (records === null) continue
      // A batch says its length after the offset it begins at.
      for (let at = 0; at + 23 <= records.length; at += 12 + records.readInt32BE(at + 8)) {
        found.add(codecs[records.readUInt16BE(at + 21) & 7])
      }
    }
    return found
  } finally {
    await cluster.close()
  }
}

const countOf = (lines: Map<string, string[]>): number =>
  [...lines.values()].reduce((sum, { length }) => sum + length, 0)

/** As the Java tools' output is read here, as text: what is not UTF-8 is the same replacement on both sides. */
const asText = (input: Buffer): Buffer => Buffer.from(input.toString())

test('the text is large, and has many keys and lines that are no text', () => {
  assert.ok(countOf(textLines) >= leastLines)
  assert.ok(textLines.size > 100)
  assert.ok(countOf(byteLines) === countOf(textLines) + 1_000)
  assert.notDeepEqual(asText(bytes), bytes)
})

describe('written by jackdaw produce', () => {
  for (const codec of codecs) {
    test(`with ${codec}, kcat and the Java consumer read the same lines in the same order per key`, async () => {
      const topic = await broker.createTopic({ partitions: 4 })
      const produced = await jackdaw(
        ['produce', topic, '-b', broker.bootstrapServers, '--key-separator', '\\t', '--compression', codec],
        { stdin: { file: file('bytes') } },
      )
      const count = countOf(byteLines)
      assert.deepEqual(produced, {
        status: 0,
        stdout: Buffer.alloc(0),
        stderr: `produced ${count} records to '${topic}'\n`,
      })
      assert.deepEqual(await codecsIn(topic), new Set([codec]))
      const out = file(`kcat-${codec}`)
      const kcat = [
        'kcat',
        '-b',
        broker.bootstrapServers,
        '-C',
        '-e',
        '-q',
        '-o',
        'beginning',
        '-f',
        '%k\\t%s\\n',
        '-t',
        topic,
      ]
      assert.equal((await runCommand(kcat, { stdoutFile: out })).status, 0)
      assert.equal(difference(readFileSync(out), byteLines), undefined)
      const java = await broker.consoleConsumer(topic, { maxMessages: count, format: { 'print.key': true } })
      assert.equal(difference(Buffer.from(java.join('\n')), linesByKey(asText(bytes))), undefined)
    })
  }
})

describe('read by jackdaw consume', () => {
  const read = async (topic: string, name: string): Promise<Buffer> => {
    const out = file(name)
    const format = ['--from-beginning', '--until-end', '--format', '%k\\t%v']
    const consumed = await jackdaw(['consume', topic, '-b', broker.bootstrapServers, ...format], { stdoutFile: out })
    assert.equal(consumed.status, 0, consumed.stderr)
    return readFileSync(out)
  }

  for (const codec of codecs) {
    test(`what kcat wrote with ${codec} is the same byte for byte, in the same order per key`, async () => {
      const topic = await broker.createTopic({ partitions: 4 })
      const kcat = ['kcat', '-b', broker.bootstrapServers, '-P', '-t', topic, '-K', '\\t', '-z', codec]
      const written = await runCommand(kcat, { stdin: { file: file('bytes') } })
      assert.equal(written.status, 0, written.stderr)
      // librdkafka leaves a batch as it is when compressing would not make it smaller.
      assert.ok((await codecsIn(topic)).has(codec))
      assert.equal(difference(await read(topic, `from-kcat-${codec}`), byteLines), undefined)
    })

    test(`what the Java producer wrote with ${codec} is the same byte for byte, in the same order per key`, async () => {
      const topic = await broker.createTopic({ partitions: 4 })
      const reading = ['--reader-property', 'parse.key=true', '--reader-property', 'key.separator=\t']
      await broker.toolOutput('ConsoleProducer', ['--topic', topic, '--compression-codec', codec, ...reading], {
        stdin: text,
      })
      assert.ok((await codecsIn(topic)).has(codec))
      assert.equal(difference(await read(topic, `from-java-${codec}`), textLines), undefined)
    })
  }
})
