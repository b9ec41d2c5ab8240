/** Record batches between Kafka's own Java classes and ours, both ways: every magic, codec and kind of timestamp. */

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { clientsJar, currentKafka, fetchJar } from '#codegen/jars.js'
import type { CompressionType } from '#src/wire/compression/codec.js'
import { codecs } from '#src/wire/compression/codecs.js'
import { RecordBatchBuilder, type HeaderToWrite } from '#src/wire/records/record-batch-builder.js'
import { dump } from './record-dump.ts'

const PROGRAM = join('test', 'wire', 'records', 'java', 'RecordBatches.java')

function whyNot(): string | undefined {
  if (process.env['JACKDAW_REQUIRE_BROKERS'] === '1') return undefined
  const missing = ['java', 'mvn'].filter((command) => spawnSync(command, ['-version']).error !== undefined)
  return missing.length === 0 ? undefined : `needs ${missing.join(' and ')}: install a JDK of 17 or later and Maven`
}

const reason = whyNot()

// A suite that is skipped says nothing where tests are counted: one test stands for it.
if (reason !== undefined) test("record batches are exchanged with Kafka's own classes", { skip: reason }, () => {})

/** Our batches, by what is in them. */
async function ourBatches(): Promise<Map<string, Buffer>> {
  const batches = new Map<string, Buffer>()
  const headers: HeaderToWrite[] = [
    { key: 'a', value: '1' },
    { key: 'a', value: null },
    { key: '', value: Buffer.alloc(0) },
    { key: 'ключ', value: 'wörter 🐦' },
  ]
  const kinds: [CompressionType, ...(number | undefined)[]][] = [
    ['none', undefined],
    ['gzip', undefined, -1, 1, 9],
    ['snappy', undefined],
    ['lz4', undefined, 1, 4, 9, 12, 17],
    ['zstd', undefined, 1, -131_072, 19],
  ]
  for (const [name, ...levels] of kinds) {
    const codec = codecs.get(name)
    await codec?.load()
    for (const level of levels) {
      for (const size of ['one', 'small', 'large', 'incompressible']) {
        const builder = new RecordBatchBuilder({ sizeLimit: 1 << 20 })
        builder.append(1_700_000_000_000, 'key', 'value')
        if (size !== 'one') {
          builder.append(0, null, null, headers)
          builder.append(5_000_000_000_000, '', '', [])
          builder.append(1_700_000_000_001, Buffer.from([0, 255]), 'ünïcödé '.repeat(9), headers)
        }
        let seed = 1
        for (let index = 0; index < (size === 'large' ? 600 : size === 'incompressible' ? 3 : 0); index++) {
          const value = Buffer.alloc(size === 'large' ? 300 : 70_000, `"amount":${index * 31},`)
          if (size === 'incompressible') {
            for (let at = 0; at < value.length; at++)
              value[at] = (seed = Math.imul(seed, 1_103_515_245) + 12_345) >>> 16
          }
          builder.append(1_700_000_000_000 + index, String(index), value, index % 10 === 0 ? headers : undefined)
        }
        const identity = { producerId: 4_294_967_300, producerEpoch: 3, baseSequence: 17, isTransactional: true }
        const sealed = builder.seal({ ...(size === 'small' ? identity : {}), codec, level })
        batches.set(`ours: ${name} level ${level} ${size}`, sealed)
      }
    }
  }
  return batches
}

describe("Kafka's own classes", { skip: reason !== undefined }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'jackdaw-records-'))
  const lines: { name: string; bytes: Buffer; found: string }[] = []
  let written = new Map<string, Buffer>()

  before(async () => {
    const jars = [
      clientsJar(currentKafka),
      fetchJar('org.slf4j', 'slf4j-api', '1.7.36'),
      fetchJar('at.yawk.lz4', 'lz4-java', '1.10.2'),
      fetchJar('org.xerial.snappy', 'snappy-java', '1.1.10.7'),
      fetchJar('com.github.luben', 'zstd-jni', '1.5.6-10'),
    ]
    written = await ourBatches()
    const [input, output] = [join(folder, 'ours.tsv'), join(folder, 'found.tsv')]
    writeFileSync(input, [...written].map(([name, bytes]) => `${name}\t${bytes.toString('base64')}\n`).join(''))
    await promisify(execFile)('java', ['-cp', jars.join(delimiter), PROGRAM, input, output], { timeout: 120_000 })
    for (const line of readFileSync(output, 'utf8').trimEnd().split('\n')) {
      const [name = '', bytes = '', found = ''] = line.split('\t')
      lines.push({ name, bytes: Buffer.from(bytes, 'base64'), found })
    }
  })

  after(() => rmSync(folder, { recursive: true }))

  test('read in our batches what we wrote, checksums included', async () => {
    const read = lines.filter(({ name }) => name.startsWith('ours:'))
    assert.equal(read.length, written.size)
    assert.ok(read.length >= 60)
    for (const { name, bytes, found } of read) {
      assert.deepEqual(bytes, written.get(name))
      assert.equal(await dump(bytes), found, name)
    }
  })

  test('write batches in which we read the same', async () => {
    const theirs = lines.filter(({ name }) => name.startsWith('java:'))
    assert.ok(theirs.length >= 75, `${theirs.length} cases`)
    for (const { name, bytes, found } of theirs) {
      assert.match(found, /^batch magic=/)
      assert.equal(await dump(bytes), found, name)
    }
  })
})
