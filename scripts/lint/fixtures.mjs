/**
 * Small files that the lint rules must refuse, and their neighbours that they must let pass. A rule whose pattern is
 * mistyped forbids nothing and looks fine: only something that must fail shows it. Made from the layer table, so a new
 * folder or door brings its own.
 */

import { doorGlobals, doorless, doorModules, doorProperties, layers, publishedTo } from './layers.mjs'

/** `{ path, code, refusedBy }`; `refusedBy` undefined means that the file must pass. */
export function fixtures() {
  return [...layerFixtures(), ...doorFixtures(), ...ruleFixtures()]
}

function layerFixtures() {
  const found = []
  const importing = (from, name, code, refused) =>
    found.push({ path: `src/${from}/${name}.ts`, code, refusedBy: refused ? 'no-restricted-imports' : undefined })
  for (const from of Object.keys(layers)) {
    for (const to of Object.keys(layers)) {
      if (to === from) continue
      const refused = !layers[from].includes(to)
      importing(from, `imports-${to}`, `import { x } from '../${to}/x.ts'\nexport const y = x\n`, refused)
      importing(`${from}/deep`, `imports-${to}`, `import { x } from '../../${to}/x.ts'\nexport const y = x\n`, refused)
      importing(from, `imports-type-${to}`, `import type { X } from '../${to}/x.ts'\nexport type Y = X\n`, refused)
      importing(from, `re-exports-${to}`, `export { x } from '../${to}/x.ts'\n`, refused)
      importing(from, `loads-${to}`, `export const load = () => import('../${to}/x.ts')\n`, refused)
    }
    importing(from, 'imports-itself', `import { x } from './deep/x.ts'\nexport const y = x\n`, false)
    const published = publishedTo.includes(from)
    importing(from, 'imports-the-top', `import { x } from '../index.ts'\nexport const y = x\n`, !published)
    if (published) {
      importing(from, 'imports-wire-entry', `import { x } from '../wire/index.ts'\nexport const y = x\n`, false)
      importing(
        `${from}/deep`,
        'imports-wire-entry',
        `import { x } from '../../wire/index.ts'\nexport const y = x\n`,
        false,
      )
      importing(`${from}/deep`, 'imports-own-parent', `import { x } from '../x.ts'\nexport const y = x\n`, false)
    }
  }
  return found
}

/** Each door is tried in folders it is closed to, and in each file it is open to. */
function doorFixtures() {
  const found = []
  const closed = Object.keys(layers).filter((folder) => !doorless.includes(folder))
  const door = (name, code, allowedIn, rule) => {
    for (const folder of closed) found.push({ path: `src/${folder}/uses-${name}.ts`, code, refusedBy: rule })
    for (const path of allowedIn) found.push({ path: `src/${path}`, code, refusedBy: undefined, add: true })
  }
  for (const [name, allowedIn] of Object.entries(doorGlobals)) {
    door(name, `export const ${name}Used: unknown = ${name}\n`, allowedIn, 'no-restricted-globals')
    door(
      `global-this-${name}`,
      `export const g${name}: unknown = globalThis.${name}\n`,
      allowedIn,
      'no-restricted-properties',
    )
  }
  for (const { object, property, allowedIn } of doorProperties) {
    const code = `export const ${object}${property}: unknown = ${object}.${property}\n`
    door(`${object}-${property}`, code, allowedIn, 'no-restricted-properties')
  }
  for (const { module, names, allowedIn } of doorModules) {
    const slug = module.replace(/\W/g, '-')
    const word = slug.replaceAll('-', '_')
    for (const name of names ?? ['x']) {
      const code = `import { ${name} as ${word}_${name} } from '${module}'\nexport const use_${word}_${name}: unknown = ${word}_${name}\n`
      door(`${slug}-${name}`, code, allowedIn, 'no-restricted-imports')
    }
    const typeCode = `import type { T as ${word}_T } from '${module}'\nexport type use_${word}_T = ${word}_T\n`
    door(`${slug}-types`, typeCode, allowedIn, undefined)
  }
  return found
}

/** One for each rule that holds everywhere. */
function ruleFixtures() {
  const refused = (path, rule, code) => ({ path, code, refusedBy: rule })
  const passing = (path, code) => ({ path, code, refusedBy: undefined })
  const harmless = 'export async function work(): Promise<number> {\n  return await Promise.resolve(1)\n}\n'
  return [
    refused('src/wire/floating.ts', 'no-floating-promises', `${harmless}export function f(): void {\n  work()\n}\n`),
    passing('src/wire/awaited.ts', `${harmless}export async function f(): Promise<void> {\n  await work()\n}\n`),
    refused(
      'src/wire/misused.ts',
      'no-misused-promises',
      `${harmless}export const f = (): number => (work() ? 1 : 2)\n`,
    ),
    refused(
      'src/wire/thenable.ts',
      'await-thenable',
      'export async function f(): Promise<number> {\n  return await 1\n}\n',
    ),
    refused('src/wire/default.ts', 'no-default-export', 'export default 1\n'),
    refused('src/wire/any.ts', 'no-explicit-any', 'export const a: any = 1\n'),
    refused('src/wire/console.ts', 'no-console', "console.log('x')\n"),
    passing('src/cli/console.ts', "console.log('x')\n"),
    refused('src/wire/protocol.ts', 'prefer-node-protocol', "import { join } from 'path'\nexport const j = join\n"),
    refused('src/wire/top-level.ts', 'no-top-level-await', 'export const a = await Promise.resolve(1)\n'),
    refused('src/wire/throws.ts', 'only-throw-error', "export function f(): never {\n  throw 'x'\n}\n"),
    refused(
      'src/wire/open-switch.ts',
      'switch-exhaustiveness-check',
      "export function f(x: 'a' | 'b'): number {\n  switch (x) {\n    case 'a':\n      return 1\n  }\n  return 2\n}\n",
    ),
    refused('src/wire/type-by-import.ts', 'consistent-type-imports', "export type T = import('./any.ts').a\n"),
    refused(
      'src/wire/cycle-a.ts',
      'no-cycle',
      "import type { B } from './cycle-b.ts'\nexport interface A {\n  b: B\n}\n",
    ),
    refused(
      'src/wire/cycle-b.ts',
      'no-cycle',
      "import type { A } from './cycle-a.ts'\nexport interface B {\n  a: A\n}\n",
    ),
    refused(
      'test/wire/only.ts',
      'no-restricted-properties',
      "import test from 'node:test'\ntest.only('x', () => {})\n",
    ),
  ]
}
