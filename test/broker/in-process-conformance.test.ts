/** Holds what test/testing/conformance.test.ts compares the in-process cluster with against a real broker. */

import assert from 'node:assert/strict'
import { after, test } from 'node:test'

import { startKafka } from '#scripts/kafka.mjs'
import { kafka } from '../support/kafka/kafka.js'
import { scripts, transactionScripts } from '../testing/conformance/all.js'
import { record, recorded, type Transcripts } from '../testing/conformance/recorded.js'
import { play } from '../testing/conformance/scripts.js'

const isRecording = process.env['JACKDAW_WRITE_TRANSCRIPTS'] === '1'

const broker = await kafka()
// Which version of transactions is in force is decided when a broker's folder is made.
const older = await startKafka({ formatArguments: ['--feature', 'transaction.version=1'] })
after(() => older.stop())

for (const { transactionVersion, suite, bootstrapServers } of [
  { transactionVersion: 2, suite: scripts, bootstrapServers: broker.bootstrapServers },
  { transactionVersion: 1, suite: transactionScripts, bootstrapServers: older.bootstrapServers },
] as const) {
  const which = transactionVersion === 2 ? '' : ' with transaction.version 1'
  const said: Transcripts = {}
  const before: Transcripts = isRecording ? {} : recorded(transactionVersion)

  for (const script of suite.filter(({ isLong }) => isRecording || isLong !== true)) {
    test(`Kafka itself${which}: ${script.name}`, async () => {
      const transcript = JSON.parse(JSON.stringify(await play(script, bootstrapServers))) as Transcripts[string]
      said[script.name] = transcript
      if (!isRecording) assert.deepEqual(transcript, before[script.name])
    })
  }

  if (isRecording) {
    test(`the transcripts are written${which}`, () => {
      record(said, transactionVersion)
    })
  }
}
