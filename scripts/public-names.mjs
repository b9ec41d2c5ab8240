#!/usr/bin/env node
/**
 * What the package exports, name by name, values and types, for each entry point. `node scripts/public-names.mjs --write`
 * accepts the names as they are now into test/package/public-names.json; a test compares, so that the public face never
 * changes unseen.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './build.mjs'

export const publicNamesFile = join(root, 'test', 'package', 'public-names.json')

/** The names a declaration file exports; `export *` is followed. */
function namesOf(file) {
  const code = readFileSync(file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
  const names = new Set()
  for (const [, list] of code.matchAll(/\bexport\s+(?:type\s+)?\{([^}]*)\}/g)) {
    for (const part of list.split(',')) {
      const name = part
        .trim()
        .replace(/^type\s+/, '')
        .split(/\s+as\s+/)
        .at(-1)
      if (name !== '') names.add(name)
    }
  }
  const declaration =
    /\bexport\s+(?:declare\s+)?(?:abstract\s+)?(?:const|let|class|function|interface|type|enum)\s+(?!\{)([\w$]+)/g
  for (const [, name] of code.matchAll(declaration)) names.add(name)
  for (const [, name] of code.matchAll(/\bexport\s+\*\s+as\s+([\w$]+)/g)) names.add(name)
  for (const [, from] of code.matchAll(/\bexport\s+(?:type\s+)?\*\s+from\s+['"]([^'"]+)['"]/g)) {
    const target = resolve(dirname(file), from).replace(/\.([cm]?)[jt]s$/, '.d.$1ts')
    for (const name of namesOf(target)) names.add(name)
  }
  return names
}

/** `{ '.': [names], './wire': [names], … }`, sorted, from what was built. */
export function publicNames() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const entries = Object.entries(exports).filter(([, target]) => typeof target === 'object')
  return Object.fromEntries(
    entries.map(([entry, { types }]) => {
      const file = join(root, types)
      return [entry, existsSync(file) ? [...namesOf(file)].sort() : null]
    }),
  )
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const text = `${JSON.stringify(publicNames(), null, 2)}\n`
  if (process.argv.includes('--write')) writeFileSync(publicNamesFile, text)
  else process.stdout.write(text)
}
