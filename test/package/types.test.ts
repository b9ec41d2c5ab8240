/** The packed declarations compile for users of older TypeScripts, with nothing skipped. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fetchPackage } from '#scripts/npm-cache.mjs'
import { pack, root } from './support/packed.ts'

const packed = pack()
after(() => {
  packed.remove()
})

const { exports } = JSON.parse(readFileSync(join(packed.folder, 'package.json'), 'utf8')) as {
  exports: Record<string, unknown>
}
const entries = Object.keys(exports).filter((entry) => entry !== './package.json')

const compilers = [
  { version: '5.4', folder: () => fetchPackage('typescript@5.4') },
  { version: '5.9', folder: () => fetchPackage('typescript@5.9') },
  { version: '7', folder: () => join(root, 'node_modules', 'typescript') },
]
const resolutions = [
  { module: 'nodenext', moduleResolution: 'nodenext' },
  { module: 'esnext', moduleResolution: 'bundler' },
]

for (const { version, folder } of compilers) {
  for (const { module, moduleResolution } of resolutions) {
    test(`under TypeScript ${version}, resolving as ${moduleResolution}, every entry point compiles`, () => {
      const project = join(packed.project, `ts-${version}-${moduleResolution}`)
      mkdirSync(project)
      writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
      const imports = entries.map((entry, i) => `import * as entry${i} from 'jackdaw${entry.slice(1)}'\n`)
      const uses = `export const all: object[] = [${entries.map((_, i) => `entry${i}`).join(', ')}]\n`
      writeFileSync(join(project, 'all.ts'), [...imports, uses].join(''))
      const compilerOptions = {
        target: 'es2022',
        lib: ['es2023'],
        module,
        moduleResolution,
        types: ['node'],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
      }
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['all.ts'] }))
      const tsc = join(folder(), 'bin', 'tsc')
      const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', project], {
        encoding: 'utf8',
        timeout: 60_000,
      })
      assert.equal(status, 0, stdout)
    })
  }
}
