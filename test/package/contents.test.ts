/** What npm would publish: all that is needed, and nothing else. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { pack } from './support/packed.ts'

const packed = pack()
after(() => {
  packed.remove()
})

interface Manifest {
  exports: Record<string, string | { types: string; default: string }>
  bin?: Record<string, string>
  dependencies?: Record<string, string>
  scripts?: Record<string, string>
}

const manifest = JSON.parse(readFileSync(join(packed.folder, 'package.json'), 'utf8')) as Manifest

test('only code, its sources, its maps and the documents are packed', () => {
  const allowed = [
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|NOTICE)$/,
    /^dist\/.+\.(js|d\.ts|js\.map|d\.ts\.map)$/,
    /^src\/.+\.ts$/,
    /^src\/tsconfig\.json$/,
  ]
  const strangers = packed.files.filter((file) => !allowed.some((pattern) => pattern.test(file)))
  assert.deepEqual(strangers, [])
  for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md'])
    assert.ok(packed.files.includes(file), `${file} is missing`)
})

test('no test, build record or fixture is packed', () => {
  const unwanted = packed.files.filter((file) => /(^|\/)test\/|\.test\.|tsbuildinfo|fixture/.test(file))
  assert.deepEqual(unwanted, [])
})

test('every entry point and command is there, and the command can be run', () => {
  for (const target of Object.values(manifest.exports)) {
    for (const file of typeof target === 'string' ? [target] : Object.values(target)) {
      assert.ok(existsSync(join(packed.folder, file)), `${file} is missing`)
    }
  }
  for (const file of Object.values(manifest.bin ?? {})) {
    const path = join(packed.folder, file)
    assert.ok(existsSync(path), `${file} is missing`)
    assert.match(readFileSync(path, 'utf8'), /^#!\/usr\/bin\/env node\n/)
    assert.ok((statSync(path).mode & 0o111) !== 0, `${file} cannot be executed`)
  }
})

test('every source map leads to a source that is packed too', () => {
  const maps = packed.files.filter((file) => file.endsWith('.map'))
  assert.ok(maps.length > 0)
  for (const file of maps) {
    const { sources } = JSON.parse(readFileSync(join(packed.folder, file), 'utf8')) as { sources: string[] }
    for (const source of sources) {
      assert.ok(
        existsSync(join(packed.folder, dirname(file), source)),
        `${file} leads to ${source}, which is not packed`,
      )
    }
  }
})

test('every code file has its map, and every declaration its source and its map', () => {
  const files = new Set(packed.files)
  const code = packed.files.filter((file) => /^dist\/.+\.js$/.test(file))
  const declarations = packed.files.filter((file) => /^dist\/.+\.d\.ts$/.test(file))
  assert.ok(
    code.length > 3 && declarations.length > 100,
    `${code.length} code files, ${declarations.length} declarations`,
  )
  const needed = [
    ...code.map((file) => `${file}.map`),
    ...declarations.flatMap((file) => [`${file}.map`, file.replace(/^dist/, 'src').replace(/\.d\.ts$/, '.ts')]),
  ]
  assert.deepEqual(
    needed.filter((file) => !files.has(file)),
    [],
  )
})

test('installing runs nothing', () => {
  const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish', 'preprepare', 'postprepare']
  assert.deepEqual(
    hooks.filter((hook) => hook in (manifest.scripts ?? {})),
    [],
  )
})

test('nothing names a path of the machine it was built on', () => {
  const home = process.env['HOME']
  const naming = packed.files.filter((file) => {
    const text = readFileSync(join(packed.folder, file), 'utf8')
    return text.includes(process.cwd()) || (home !== undefined && home !== '/' && text.includes(`${home}/`))
  })
  assert.deepEqual(naming, [])
})
