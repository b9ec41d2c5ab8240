/** Holds what test/testing/conformance.test.ts compares the in-process cluster with against a real broker. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { kafka } from '../support/kafka/kafka.js'
import { scripts } from '../testing/conformance/all.js'
import { record, recorded, type Transcripts } from '../testing/conformance/recorded.js'
import { play } from '../testing/conformance/scripts.js'

const broker = await kafka()
const isRecording = process.env['JACKDAW_WRITE_TRANSCRIPTS'] === '1'
const said: Transcripts = {}
const before: Transcripts = isRecording ? {} : recorded()

for (const script of scripts) {
  test(`Kafka itself: ${script.name}`, async () => {
    const transcript = JSON.parse(JSON.stringify(await play(script, broker.bootstrapServers))) as Transcripts[string]
    said[script.name] = transcript
    if (!isRecording) assert.deepEqual(transcript, before[script.name])
  })
}

if (isRecording) {
  test('the transcripts are written', () => {
    record(said)
  })
}
