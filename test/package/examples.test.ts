/** What the documents and the TSDoc show compiles against the package as published: every code block that imports it. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { after, test } from 'node:test'
import { pack, root } from './support/packed.ts'

interface Example {
  /** Where it stands, as `path:line`. */
  place: string
  language: string
  code: string
}

function filesBelow(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => pattern.test(file))
    .map((file) => join(root, folder, file))
}

/** The fenced blocks of a text that import the package; `prefix` is what each line of a comment begins with. */
function examplesIn(file: string): Example[] {
  const text = readFileSync(file, 'utf8')
  const comments = file.endsWith('.ts')
  const found: Example[] = []
  for (const match of text.matchAll(/^([ *]*)```(ts|js|typescript|javascript)\n([\s\S]*?)^[ *]*```/gm)) {
    const code = comments ? match[3]!.replaceAll(/^ *\* ?/gm, '') : match[3]!
    if (!/from 'jackdaw(\/[a-z]+)?'/.test(code)) continue
    const line = text.slice(0, match.index).split('\n').length
    found.push({ place: `${relative(root, file)}:${line}`, language: match[2]!.startsWith('t') ? 'ts' : 'mjs', code })
  }
  return found
}

const documents = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md'].map((name) => join(root, name))
const examples = [...documents, ...filesBelow('docs', /\.md$/), ...filesBelow('src', /\.ts$/)].flatMap(examplesIn)
const programs = filesBelow('examples', /\.(ts|mjs)$/).map((file): Example => ({
  place: relative(root, file),
  language: file.endsWith('.ts') ? 'ts' : 'mjs',
  code: readFileSync(file, 'utf8'),
}))

/** What examples use beside Jackdaw and is no dependency of it, as far as they use it. */
const foreignModules = `declare module '@confluentinc/schemaregistry' {
  type Headers = { [key: string]: Buffer | string | (Buffer | string)[] | undefined }
  export enum SerdeType { KEY = 'KEY', VALUE = 'VALUE' }
  export class SchemaRegistryClient {
    constructor(config: { baseURLs: string[] })
    register(subject: string, schema: { schemaType?: string; schema: string }): Promise<number>
  }
  class Serializer {
    constructor(client: SchemaRegistryClient, type: SerdeType, config: object)
    serialize(topic: string, message: any, headers?: Headers): Promise<Buffer>
  }
  class Deserializer {
    constructor(client: SchemaRegistryClient, type: SerdeType, config: object)
    deserialize(topic: string, payload: Buffer, headers?: Headers): Promise<any>
  }
  export { Serializer as AvroSerializer, Serializer as JsonSerializer, Deserializer as JsonDeserializer }
}
`

const packed = pack()
after(() => {
  packed.remove()
})

test('every example in the documents, the comments and examples/ compiles', () => {
  assert.ok(examples.some(({ place }) => place.startsWith('README.md')))
  const project = join(packed.project, 'examples')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
  const places = new Map<string, string>()
  for (const [i, { place, language, code }] of [...examples, ...programs].entries()) {
    const name = `example-${i}.${language === 'ts' ? 'ts' : 'mjs'}`
    places.set(name, place)
    // A module of its own, even when it is only statements.
    writeFileSync(join(project, name), `${code}\nexport {}\n`)
  }
  writeFileSync(join(project, 'foreign.d.ts'), foreignModules)
  const compilerOptions = {
    target: 'esnext',
    lib: ['esnext'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noImplicitAny: false,
    allowJs: true,
    checkJs: true,
    noEmit: true,
  }
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts', '*.mjs'] }))
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8', timeout: 60_000 })
  const told = stdout.replaceAll(/example-\d+\.(ts|mjs)/g, (name) => `${places.get(name) ?? name} (${name})`)
  assert.equal(status, 0, told)
})
