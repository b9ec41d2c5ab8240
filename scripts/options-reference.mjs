#!/usr/bin/env node
/**
 * `npm run docs:options`: writes docs/options.md from the option tables of the compiled sources. With `--check` it writes
 * nothing, and fails when the page is not what it would write. What may be given is what each option's own check says.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './build.mjs'

const page = join(root, 'docs', 'options.md')

const tables = [
  {
    title: 'Connecting',
    words: 'Every client takes these, and so does `Cluster`. [Connecting](connecting.md) tells more of them.',
    module: 'cluster/cluster-options',
    name: 'clusterOptions',
  },
  {
    title: 'Producer',
    words: '[Producing](producing.md) tells more of them.',
    module: 'producer/producer-options',
    name: 'producerOptions',
  },
  {
    title: 'TransactionalProducer',
    words:
      'It takes those of `Producer` too, where `acks` and `idempotent` have no choice. [Transactions](transactions.md) tells more of them.',
    module: 'transactions/transactional-producer-options',
    name: 'transactionOptions',
  },
  {
    title: 'Consumer',
    words: '[Consuming](consuming.md) tells more of them.',
    module: 'consumer/consumer-options',
    name: 'consumerOptions',
  },
]

/** What the check says of a value that no option takes. */
function validValues(name, { check }) {
  const complaint = check(Symbol('no value'))
  if (!complaint?.startsWith('must ')) throw new Error(`the check of option '${name}' does not say what must be`)
  return complaint.replace(/^must (be )?/, '').replaceAll('|', '\\|')
}

function shown(value) {
  if (value === undefined) return '–'
  if (typeof value === 'number') return value.toLocaleString('en').replaceAll(',', ' ')
  if (typeof value === 'string') return `\`'${value}'\``
  if (Array.isArray(value)) return `\`[${value.map((one) => `'${one}'`).join(', ')}]\``
  if (typeof value === 'object') return 'silent'
  return `\`${value}\``
}

function rowOf([name, option]) {
  const kafka = option.kafka === null ? '–' : `\`${option.kafka}\``
  return `| \`${name}\` | ${validValues(name, option)} | ${shown(option.default)} | ${kafka} | ${option.about} |`
}

async function render() {
  const sections = []
  for (const { title, words, module, name } of tables) {
    const { [name]: table } = await import(`#src/${module}.js`)
    const rows = Object.entries(table).map(rowOf)
    const head = '| Option | May be | Default | In Java | What it does |\n|---|---|---|---|---|'
    sections.push(`## ${title}\n\n${words}\n\n${head}\n${rows.join('\n')}\n`)
  }
  return `# Options

Written by \`npm run docs:options\` from the tables that the constructors check against: do not change it by hand.

Names are Kafka's, in camelCase and with the unit at the end. A constructor throws \`InvalidOptionError\` for an option that
it does not know, a value that the option cannot have, and options that contradict each other; \`undefined\` is as good as
leaving the option out. *In Java* is the name in the configuration of Kafka's own client.

${sections.join('\n')}`
}

const text = await render()
if (!process.argv.includes('--check')) {
  writeFileSync(page, text)
} else if (!existsSync(page) || readFileSync(page, 'utf8') !== text) {
  console.error('docs/options.md is not what the option tables say: npm run docs:options writes it')
  process.exitCode = 1
}
