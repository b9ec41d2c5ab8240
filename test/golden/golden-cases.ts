/**
 * What Kafka's own Java classes write: for every message, version and kind of values the bytes and the JSON.
 *
 * Made by `java/GoldenBytes.java` with the client jars on the class path, and kept in the cache until that program or a
 * jar's version changes. Needs Java and Maven, or the cache.
 */

import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder, clientsJar, currentKafka, fetchJar, olderKafka } from '#codegen/jars.js'

/** One message as Kafka wrote it. */
export interface GoldenCase {
  /** `Fetch`; for a schema that is no request `EndTxnMarker`. */
  readonly name: string
  readonly key: number
  readonly direction: 'request' | 'response' | 'data'
  readonly version: number
  readonly kind: 'default' | 'high' | 'low' | 'varied'
  /** The version of the header that Kafka puts before it; −1 for data. */
  readonly headerVersion: number
  readonly bytes: Buffer
  readonly json: unknown
}

const JACKSON = '2.17.2'
const PROGRAM = join('test', 'golden', 'java', 'GoldenBytes.java')

/** Why the cases cannot be had on this machine; undefined when they can. */
export function whyNot(): string | undefined {
  if ([currentKafka, olderKafka].every((version) => existsSync(outputPath(version)))) return undefined
  const missing = ['java', 'mvn'].filter((command) => spawnSync(command, ['-version']).error !== undefined)
  if (missing.length === 0) return undefined
  return `golden bytes need ${missing.join(' and ')}: install a JDK of 17 or later and Maven`
}

/** Every case of the current Kafka, and of the older one those versions that the current one has no more. */
export async function goldenCases(): Promise<GoldenCase[]> {
  const [current, older] = await Promise.all([currentKafka, olderKafka].map(casesOf))
  if (current === undefined || older === undefined) throw new Error('there are two versions')
  const floors = new Map<string, number>()
  for (const { name, version } of current) floors.set(name, Math.min(floors.get(name) ?? Infinity, version))
  // Version 0 of the share groups was early access; an API that is wholly gone, such as LeaderAndIsr, has no floor.
  const onlyOlder = older.filter(({ name, version }) => version < (floors.get(name) ?? 0) && !name.includes('Share'))
  return [...current, ...onlyOlder]
}

async function casesOf(kafkaVersion: string): Promise<GoldenCase[]> {
  const path = outputPath(kafkaVersion)
  if (!existsSync(path)) {
    const jars = [
      clientsJar(kafkaVersion),
      fetchJar('org.slf4j', 'slf4j-api', '1.7.36'),
      ...['databind', 'core', 'annotations'].map((part) =>
        fetchJar('com.fasterxml.jackson.core', `jackson-${part}`, JACKSON),
      ),
    ]
    mkdirSync(join(path, '..'), { recursive: true })
    const unfinished = `${path}.${process.pid}`
    await promisify(execFile)('java', ['-cp', jars.join(delimiter), PROGRAM, unfinished], { timeout: 120_000 })
    renameSync(unfinished, path)
  }
  return readFileSync(path, 'utf8').trimEnd().split('\n').map(parseCase)
}

function outputPath(kafkaVersion: string): string {
  const hash = createHash('sha256').update(readFileSync(PROGRAM)).update(kafkaVersion).update(JACKSON).digest('hex')
  return join(cacheFolder(), 'golden', `${kafkaVersion}-${hash.slice(0, 16)}.tsv`)
}

function parseCase(line: string): GoldenCase {
  const [name = '', key, direction, version, kind, headerVersion, bytes = '', json = ''] = line.split('\t')
  return {
    name,
    key: Number(key),
    direction: direction as GoldenCase['direction'],
    version: Number(version),
    kind: kind as GoldenCase['kind'],
    headerVersion: Number(headerVersion),
    bytes: Buffer.from(bytes, 'base64'),
    // An integer beyond what a number holds exactly becomes a string, which the comparison turns into a bigint.
    json: JSON.parse(json.replace(/:(-?\d{17,})(?=[,}\]])/g, ':"$1"')),
  }
}
