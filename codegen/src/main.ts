/**
 * Writes the generated files of `src/`: `node build/codegen/main.js`, or with `--check` compares them with what is there
 * and exits with 1 where they differ. Run from the root of the repository; needs Java and Maven.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { readDefinitions, type RawMessage } from './definitions.ts'
import { emitApi, emitData, emitIndex, type ApiMessages, type GeneratedFile, type Origin } from './emit-file.ts'
import { emitErrorCodes } from './error-codes.ts'
import { currentKafka, olderKafka } from './jars.ts'
import { mergeMessages } from './merge.ts'
import { parseMessage, type Message } from './schema.ts'

/** The schemas beside requests and responses that clients, or a cluster in a test, read and write. */
const DATA = ['ConsumerProtocolSubscription', 'ConsumerProtocolAssignment', 'ControlRecordTypeSchema', 'EndTxnMarker']

/** Every generated file, formatted as the rest of the source is. */
async function generate(): Promise<GeneratedFile[]> {
  const style = await resolveConfig(join('src', 'index.ts'))
  if (style === null) throw new Error('codegen runs at the root of the repository, where .prettierrc is')
  const formatted: GeneratedFile[] = []
  for (const { path, text } of generateUnformatted()) {
    formatted.push({ path, text: await format(text, { ...style, parser: 'typescript' }) })
  }
  return formatted
}

function generateUnformatted(): GeneratedFile[] {
  const current = readDefinitions(currentKafka)
  const older = readDefinitions(olderKafka)
  const apis: ApiMessages[] = []
  for (const raw of current.values()) {
    if (raw.type !== 'request') continue
    const name = raw.name.slice(0, -'Request'.length)
    const [request, requestIsMerged] = merge(raw, older)
    const [response] = merge(find(current, `${name}Response`), older)
    if (request === null || response === null) continue
    if (request.apiKey === null) throw new Error(`${name} has no key`)
    const origin: Origin = { current: currentKafka, older: requestIsMerged ? olderKafka : null }
    apis.push({ name, key: request.apiKey, request, response, origin })
  }
  apis.sort((left, right) => left.key - right.key)
  const origin: Origin = { current: currentKafka, older: null }
  const data = DATA.map((name) => {
    const message = parseMessage(find(current, name))
    if (message === null) throw new Error(`${name} has no versions`)
    return message
  })
  return [
    ...apis.map(emitApi),
    ...data.map((message) => emitData(message, origin)),
    emitIndex(apis, data, origin),
    emitErrorCodes(currentKafka),
  ]
}

function merge(raw: RawMessage, older: ReadonlyMap<string, RawMessage>): [message: Message | null, isMerged: boolean] {
  // The share groups' version 0 was an early-access protocol that no stable broker speaks.
  const counterpart = /Share/.test(raw.name) ? undefined : older.get(raw.name)
  const merged = mergeMessages(raw, counterpart)
  return [parseMessage(merged), merged !== raw]
}

function find(definitions: ReadonlyMap<string, RawMessage>, name: string): RawMessage {
  const raw = definitions.get(name)
  if (raw === undefined) throw new Error(`there is no definition of ${name}`)
  return raw
}

/** The generated files that exist but would not be generated any more. */
function leftOver(files: readonly GeneratedFile[]): string[] {
  const folder = join('src', 'wire', 'messages')
  if (!existsSync(folder)) return []
  const expected = new Set(files.map(({ path }) => join('src', path)))
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => !expected.has(path))
}

async function main(): Promise<void> {
  const files = await generate()
  const stale = leftOver(files)
  if (process.argv.includes('--check')) {
    const different = files
      .map(({ path, text }) => ({ path: join('src', path), text }))
      .filter(({ path, text }) => !existsSync(path) || readFileSync(path, 'utf8') !== text)
      .map(({ path }) => path)
    for (const path of [...different, ...stale]) console.error(`${path} is not what codegen writes`)
    if (different.length + stale.length > 0) process.exitCode = 1
    else console.log(`${files.length} generated files are what codegen writes`)
    return
  }
  for (const { path, text } of files) {
    const target = join('src', path)
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, text)
  }
  for (const path of stale) rmSync(path)
  console.log(`wrote ${files.length} files`)
}

await main()
