/** One way to declare an option: Kafka's name for it, its default, and what it may be. The reference page is made from
 *  these tables, and so is the message that a wrong value gets. Knows no client. */

import { InvalidOptionError } from '../errors/errors.ts'

/** Says what is wrong with a value ("must be a whole number of at least 0"), or undefined when it is right. */
export type Check = (value: unknown) => string | undefined

export interface OptionDescriptor<T> {
  /** The name in Java's configuration, or null where Kafka has none. */
  readonly kafka: string | null
  /** Used when the option is left out. Undefined means that nothing is in its place. */
  readonly default: T | undefined
  readonly check: Check
  /** One line for the reference page. */
  readonly about: string
}

export type OptionTable<T> = { readonly [K in keyof T]-?: OptionDescriptor<Exclude<T[K], undefined>> }

/** The options as the code inside sees them: those with a default are always there. */
export type ResolvedOptions<T, Defaulted extends keyof T> = Omit<T, Defaulted> & {
  readonly [K in Defaulted]-?: Exclude<T[K], undefined>
}

/**
 * Checks what the caller gave against the table and fills in defaults.
 *
 * @param owner the class the options are for, for the message: `Producer`
 * @throws InvalidOptionError naming the first option that is unknown or has a wrong value, and what is valid
 */
export function readOptions<T extends object, Defaulted extends keyof T>(
  owner: string,
  table: OptionTable<T>,
  given: T,
): ResolvedOptions<T, Defaulted> {
  if (typeof given !== 'object' || given === null) {
    throw new InvalidOptionError('options', `the options of ${owner} must be an object, not ${quote(given)}`)
  }
  const known = table as Record<string, OptionDescriptor<unknown>>
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(known, name)) {
      throw new InvalidOptionError(
        name,
        `${owner} has no option '${name}'${suggestion(name, known)}; it has ${Object.keys(known).sort().join(', ')}`,
      )
    }
  }
  const resolved: Record<string, unknown> = {}
  for (const [name, descriptor] of Object.entries(known)) {
    const value = (given as Record<string, unknown>)[name]
    if (value === undefined) {
      if (descriptor.default !== undefined) resolved[name] = descriptor.default
      continue
    }
    const complaint = descriptor.check(value)
    if (complaint !== undefined) {
      const shown = quote(value)
      // A check that looks into the value has said already what it found there.
      const saysAll = complaint.includes(shown) || (typeof value === 'object' && !complaint.startsWith('must be '))
      const told = saysAll ? complaint : `${complaint}, not ${shown}`
      throw new InvalidOptionError(name, `option '${name}' of ${owner} ${told}`)
    }
    resolved[name] = value
  }
  return resolved as ResolvedOptions<T, Defaulted>
}

/** A value as a message may show it: short, and never the inside of an object, which could hold a secret. */
export function quote(value: unknown): string {
  if (typeof value === 'string') return value.length > 60 ? `'${value.slice(0, 60)}…'` : `'${value}'`
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (value === null || typeof value !== 'object') return String(value)
  const name = (value as { constructor?: { name?: string } }).constructor?.name
  return name === undefined || name === 'Object' ? 'an object' : `a ${name}`
}

/** What other clients call an option, where neither Kafka's name nor ours is near. */
const namesElsewhere: Readonly<Record<string, string>> = {
  'brokers': 'bootstrapServers',
  'metadata.broker.list': 'bootstrapServers',
  'ssl': 'tls',
  // Attempts are bounded by time.
  'retries': 'deliveryTimeoutMs',
  'createPartitioner': 'partitioner',
}

/** What may have been meant: Kafka's own name for an option, that of another client, another spelling, or a slip of the
 *  fingers. */
function suggestion(name: string, known: Readonly<Record<string, OptionDescriptor<unknown>>>): string {
  const wanted = name.toLowerCase()
  const elsewhere = Object.hasOwn(namesElsewhere, name) ? namesElsewhere[name]! : undefined
  if (elsewhere !== undefined && Object.hasOwn(known, elsewhere)) return ` (did you mean '${elsewhere}'?)`
  if (name === 'transactionalId' || name === 'transactional.id') return ' (transactions have a TransactionalProducer)'
  const near = Object.keys(known).find((candidate) => {
    const other = candidate.toLowerCase()
    return (
      isKafkasName(wanted, known[candidate]!.kafka) ||
      (wanted.length > 3 && (other.startsWith(wanted) || wanted.startsWith(other))) ||
      isSlipOf(wanted, other)
    )
  })
  return near === undefined ? '' : ` (did you mean '${near}'?)`
}

/** With dots, in camel case, or its last word alone, such as `idempotence`. */
function isKafkasName(wanted: string, kafka: string | null): boolean {
  if (kafka === null) return false
  const last = kafka.slice(kafka.lastIndexOf('.') + 1)
  return wanted === kafka || wanted === kafka.replaceAll('.', '') || (last.length > 4 && wanted === last)
}

/** Whether the two differ by at most one letter that is missing, too many, wrong, or swapped with its neighbour. */
function isSlipOf(one: string, other: string): boolean {
  const length = Math.max(one.length, other.length)
  if (Math.abs(one.length - other.length) > 1 || length < 4) return one === other
  let start = 0
  while (start < length && one[start] === other[start]) start++
  let end = 0
  while (end < length - start && one.at(-1 - end) === other.at(-1 - end)) end++
  const [left, right] = [one, other].map((word) => word.slice(start, Math.max(start, word.length - end)))
  if (left!.length <= 1 && right!.length <= 1) return true
  return left!.length === 2 && right === left![1]! + left![0]!
}
