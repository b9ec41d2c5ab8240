/** The layer table of ARCHITECTURE.md, and the doors to the outside, as data: lint rules and their failing fixtures are
 *  both made from it, so that a rule that forbids nothing is noticed. Folders that do not exist yet are here already. */

const base = ['model', 'errors', 'options', 'async', 'diagnostics']

/** Each folder of src/, and the folders it may import from (besides itself). Imports go one way. */
export const layers = {
  'model': [],
  'errors': ['model'],
  'options': ['model', 'errors'],
  'async': ['model', 'errors'],
  'diagnostics': ['model', 'errors'],
  'wire': ['model', 'errors'],
  'network': ['wire', ...base],
  'cluster': ['network', 'wire', ...base],
  'group': ['cluster', 'wire', ...base],
  'producer': ['cluster', 'wire', ...base],
  'consumer': ['group', 'cluster', 'wire', ...base],
  'share-consumer': ['group', 'cluster', 'wire', ...base],
  'admin': ['cluster', 'wire', ...base],
  'transactions': ['producer', 'cluster', 'wire', ...base],
  'testing': ['wire', ...base],
  'opentelemetry': ['diagnostics', 'model'],
  // What people use at a terminal is built on what we publish, and on nothing else: see `publishedTo`.
  'cli': [],
  'compat': [],
}

/** Folders that may import only published entry points, and how those look from within src/. */
export const publishedTo = ['cli', 'compat']
export const publishedEntryPoints = ['index.ts', 'wire/index.ts', 'testing/index.ts']

/** Globals that make two runs differ. Each may be used only in the files named. */
export const doorGlobals = {
  setTimeout: ['async/clock.ts', 'network/socket.ts'],
  clearTimeout: ['async/clock.ts', 'network/socket.ts'],
  setInterval: ['async/clock.ts', 'network/socket.ts'],
  clearInterval: ['async/clock.ts', 'network/socket.ts'],
  setImmediate: ['async/clock.ts', 'network/socket.ts'],
  clearImmediate: ['async/clock.ts', 'network/socket.ts'],
  performance: ['async/clock.ts'],
  crypto: ['async/random.ts'],
}

/** The same of properties: `object.property`. */
export const doorProperties = [
  { object: 'Date', property: 'now', allowedIn: ['async/clock.ts'] },
  { object: 'Math', property: 'random', allowedIn: ['async/random.ts'] },
  { object: 'AbortSignal', property: 'timeout', allowedIn: [] },
  { object: 'process', property: 'hrtime', allowedIn: ['async/clock.ts'] },
]

/** The same of modules. `names`: only these exports of it. Types may be imported anywhere: they are gone at run time. */
export const doorModules = [
  { module: 'node:net', allowedIn: ['network/socket.ts', 'testing/listener.ts'] },
  { module: 'node:tls', allowedIn: ['network/socket.ts', 'testing/listener.ts'] },
  { module: 'node:dgram', allowedIn: [] },
  { module: 'node:http', allowedIn: [] },
  { module: 'node:https', allowedIn: [] },
  { module: 'node:http2', allowedIn: [] },
  { module: 'node:timers', allowedIn: ['async/clock.ts'] },
  { module: 'node:timers/promises', allowedIn: ['async/clock.ts'] },
  { module: 'node:perf_hooks', allowedIn: ['async/clock.ts'] },
  {
    module: 'node:crypto',
    names: [
      'default',
      'randomUUID',
      'randomBytes',
      'randomInt',
      'randomFill',
      'randomFillSync',
      'getRandomValues',
      'webcrypto',
    ],
    allowedIn: ['async/random.ts'],
  },
]

/** Folders that the doors do not bind: what runs at a terminal is not simulated. */
export const doorless = ['cli']
