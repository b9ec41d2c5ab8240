/** The hash of keys against what Kafka's own class gives for thousands of them. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { murmur2, murmur2OfAscii } from '#src/producer/murmur2.js'
import { cacheFolder, clientsJar, currentKafka, fetchJar } from '#codegen/jars.js'
import { whyNot } from './golden-cases.ts'

const program = join('test', 'golden', 'java', 'KeyHashes.java')
const hash = createHash('sha256').update(readFileSync(program)).update(currentKafka).digest('hex')
const output = join(cacheFolder(), 'golden', `key-hashes-${hash.slice(0, 16)}.tsv`)

// Where brokers are required, so is this: then the lack of Java is a failure.
const required = process.env['JACKDAW_REQUIRE_BROKERS'] === '1'
const skip = required || existsSync(output) ? undefined : whyNot()

test("keys have the hashes that Kafka's own class gives them", { skip }, async () => {
  if (!existsSync(output)) {
    mkdirSync(dirname(output), { recursive: true })
    const jars = [clientsJar(currentKafka), fetchJar('org.slf4j', 'slf4j-api', '1.7.36')]
    const unfinished = `${output}.${process.pid}`
    await promisify(execFile)('java', ['-cp', jars.join(delimiter), program, unfinished], { timeout: 120_000 })
    renameSync(unfinished, output)
  }
  const lines = readFileSync(output, 'utf8').trimEnd().split('\n')
  assert.equal(lines.length, 4_000)
  let asText = 0
  for (const line of lines) {
    const [base64 = '', expected] = line.split('\t')
    const key = Buffer.from(base64, 'base64')
    assert.equal(murmur2(key), Number(expected), base64)
    if (!key.every((byte) => byte < 0x80)) continue
    asText++
    assert.equal(murmur2OfAscii(key.toString('latin1')), Number(expected), base64)
  }
  assert.ok(asText >= 2_000)
})
