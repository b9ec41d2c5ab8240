/** Gets Kafka's jars from Maven Central into a cache outside the repository, and reads files out of them. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { inflateRawSync } from 'node:zlib'

/** The version whose definitions are the protocol. */
export const currentKafka = '4.3.1'

/** The last version that still defines what brokers before 2.1 speak. */
export const olderKafka = '3.9.2'

/** The folder that holds downloaded jars: `$JACKDAW_CACHE` or `~/.cache/jackdaw`, and in it `clients`. */
export function cacheFolder(): string {
  return join(process.env['JACKDAW_CACHE'] ?? join(homedir(), '.cache', 'jackdaw'), 'clients')
}

/** Downloads an artifact of Maven Central unless the cache has it, and returns the jar's path. Needs Java and Maven. */
export function fetchJar(group: string, artifact: string, version: string): string {
  const folder = join(cacheFolder(), version)
  const jar = join(folder, `${artifact}-${version}.jar`)
  if (existsSync(jar)) return jar
  // Maven writes in place: another process must not take half a jar for a whole one.
  const unfinished = join(folder, `unfinished-${process.pid}`)
  mkdirSync(unfinished, { recursive: true })
  execFileSync(
    'mvn',
    ['-q', '-B', 'dependency:copy', `-Dartifact=${group}:${artifact}:${version}`, `-DoutputDirectory=${unfinished}`],
    { stdio: ['ignore', 'inherit', 'inherit'], timeout: 300_000 },
  )
  renameSync(join(unfinished, basename(jar)), jar)
  rmSync(unfinished, { recursive: true })
  return jar
}

/** The jar of Kafka's Java client. */
export function clientsJar(version: string): string {
  return fetchJar('org.apache.kafka', 'kafka-clients', version)
}

const END_OF_DIRECTORY = 0x06054b50
const DIRECTORY_ENTRY = 0x02014b50

/** The text files of a zip archive whose path starts with `prefix` and ends in `suffix`, by path. */
export function readZip(path: string, prefix: string, suffix: string): Map<string, string> {
  const zip = readFileSync(path)
  let end = zip.length - 22
  while (end >= 0 && zip.readUInt32LE(end) !== END_OF_DIRECTORY) end--
  if (end < 0) throw new Error(`'${path}' is not a zip archive`)
  const files = new Map<string, string>()
  let at = zip.readUInt32LE(end + 16)
  for (let count = zip.readUInt16LE(end + 10); count > 0; count--) {
    if (zip.readUInt32LE(at) !== DIRECTORY_ENTRY) throw new Error(`the directory of '${path}' is damaged at byte ${at}`)
    const method = zip.readUInt16LE(at + 10)
    const compressedBytes = zip.readUInt32LE(at + 20)
    const nameBytes = zip.readUInt16LE(at + 28)
    const name = zip.toString('utf8', at + 46, at + 46 + nameBytes)
    const header = zip.readUInt32LE(at + 42)
    at += 46 + nameBytes + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32)
    if (!name.startsWith(prefix) || !name.endsWith(suffix)) continue
    const start = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28)
    const bytes = zip.subarray(start, start + compressedBytes)
    files.set(name, (method === 0 ? bytes : inflateRawSync(bytes)).toString('utf8'))
  }
  return files
}
