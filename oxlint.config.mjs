/** Lint rules, run by scripts/lint.mjs (oxlint does not find this file by itself: pass `-c`). What may be imported and
 *  what may be touched comes from one table, scripts/lint/layers.mjs. */

import {
  doorGlobals,
  doorless,
  doorModules,
  doorProperties,
  layers,
  publishedEntryPoints,
  publishedTo,
} from './scripts/lint/layers.mjs'

const climb = '^(\\.\\./)+'

/** Patterns of the imports that a folder may not make. */
function forbiddenImports(folder) {
  if (publishedTo.includes(folder)) {
    const others = Object.keys(layers).filter((other) => !['wire', 'testing', folder].includes(other))
    const steps = ['..', '../..', '../../..']
    const entryPoints = publishedEntryPoints.filter((path) => path.includes('/'))
    const group = steps.flatMap((up) => [
      `${up}/wire/**`,
      `${up}/testing/**`,
      ...entryPoints.map((path) => `!${up}/${path}`),
    ])
    const message = `${folder} is built on what is published: ${publishedEntryPoints.join(', ')}`
    return [
      { regex: `${climb}(${others.join('|')})/`, message },
      { group, message },
    ]
  }
  const forbidden = Object.keys(layers).filter((other) => other !== folder && !layers[folder].includes(other))
  return [
    { regex: `${climb}(${forbidden.join('|')})/`, message: `${folder} may not import from there: see the layer table` },
    { regex: `${climb}index\\.ts$`, message: 'the public entry point is above every layer' },
  ]
}

/** The restrictions on one file (a path below src/) or on a whole folder (`producer/`). */
function restrictions(path) {
  const folder = path.slice(0, path.indexOf('/'))
  const bound = !doorless.includes(folder)
  const at = (allowedIn) => bound && !allowedIn.includes(path)
  const paths = doorModules
    .filter(({ allowedIn }) => at(allowedIn))
    .map(({ module, names }) => ({
      name: module,
      ...(names === undefined ? {} : { importNames: names }),
      allowTypeImports: true,
      message: 'take a Clock, Random or Dialer from src/async instead',
    }))
  const globals = Object.entries(doorGlobals).filter(([, allowedIn]) => at(allowedIn))
  const properties = doorProperties.filter(({ allowedIn }) => at(allowedIn))
  const message = 'take a Clock or Random from src/async instead'
  return {
    'no-restricted-imports': ['error', { paths, patterns: forbiddenImports(folder) }],
    'no-restricted-globals': ['error', ...globals.map(([name]) => ({ name, message }))],
    'no-restricted-properties': [
      'error',
      ...globals.map(([property]) => ({ object: 'globalThis', property, message })),
      ...properties.map(({ object, property }) => ({ object, property, message })),
    ],
  }
}

const exceptions = new Set([
  ...Object.values(doorGlobals).flat(),
  ...[...doorProperties, ...doorModules].flatMap(({ allowedIn }) => allowedIn),
])

/** Calls of node:test whose promises the runner itself awaits. */
const testCalls = ['test', 'describe', 'it', 'suite'].map((name) => ({ from: 'package', package: 'node:test', name }))

export default {
  plugins: ['typescript', 'import', 'unicorn', 'oxc', 'promise', 'node'],
  categories: { correctness: 'error' },
  env: { node: true, es2023: true },
  ignorePatterns: ['dist/**', 'build/**', 'node_modules/**'],
  rules: {
    'eqeqeq': ['error', 'always', { null: 'ignore' }],
    'no-var': 'error',
    'prefer-const': 'error',
    'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
    'unicorn/prefer-node-protocol': 'error',
    'import/no-cycle': ['error', { ignoreTypes: false }],
    'promise/no-multiple-resolved': 'error',
    // Calling back from a promise is what an adapter between the two does.
    'promise/no-callback-in-promise': 'off',
    // Kafka's names and our escapes have control characters to speak of.
    'no-control-regex': 'off',
    // `new Array(n)` with its length known is what hot paths want.
    'unicorn/no-new-array': 'off',
    // A copy to walk over while the original changes is not useless.
    'unicorn/no-useless-spread': 'off',
  },
  overrides: [
    {
      files: ['**/*.ts'],
      rules: {
        'import/no-default-export': 'error',
        'typescript/no-explicit-any': 'error',
        'typescript/no-floating-promises': ['error', { allowForKnownSafeCalls: testCalls }],
        'typescript/no-misused-promises': 'error',
        'typescript/await-thenable': 'error',
        'typescript/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
        'typescript/consistent-type-imports': [
          'error',
          { disallowTypeAnnotations: true, fixStyle: 'inline-type-imports' },
        ],
        // `x?: T | undefined` says that undefined may be passed, which exactOptionalPropertyTypes makes a difference.
        'typescript/no-duplicate-type-constituents': 'off',
        // It takes for unnecessary what narrows a value for the reader, or for isolatedDeclarations.
        'typescript/no-unnecessary-type-assertion': 'off',
        'typescript/only-throw-error': ['error', { allowThrowingAny: true, allowThrowingUnknown: true }],
      },
    },
    // Without types it takes a list of strings for a list of anything.
    { files: ['**/*.mjs'], rules: { 'typescript/require-array-sort-compare': 'off' } },
    { files: ['src/**/*.ts'], rules: { 'no-console': 'error', 'node/no-top-level-await': 'error' } },
    ...Object.keys(layers).map((folder) => ({ files: [`src/${folder}/**/*.ts`], rules: restrictions(`${folder}/`) })),
    ...[...exceptions].map((path) => ({ files: [`src/${path}`], rules: restrictions(path) })),
    { files: ['src/wire/messages/**/*.ts'], rules: { 'no-unused-vars': 'off' } }, // generated
    { files: ['src/cli/**/*.ts'], rules: { 'no-console': 'off', 'node/no-top-level-await': 'off' } },
    {
      files: ['test/**/*.ts'],
      rules: {
        'no-restricted-properties': [
          'error',
          ...['test', 'describe', 'it', 'suite'].map((object) => ({
            object,
            property: 'only',
            message: 'keeps the other tests from running',
          })),
        ],
      },
    },
  ],
}
