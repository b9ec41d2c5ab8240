/** `jackdaw topics …`: what there is, made, shown and deleted. */

import type { Admin, CreateTopicResult, DescribeTopicResult, NewTopic, TopicDescription } from 'jackdaw'
import { command, type Command, type Invocation } from '../command.ts'
import { connectionFlags, connectionOptions, type ConnectionFlags } from '../connection.ts'
import { CommandError } from '../errors.ts'
import type { FlagTable } from '../flags.ts'
import { Output } from '../output.ts'
import { alignColumns } from '../table.ts'

const jsonFlag = { kind: 'switch', about: 'print JSON' } as const

export const topicsList: Command = command({
  name: 'topics list',
  about: 'List the topics, a name a line',
  positional: { name: '', count: 'none' },
  flags: {
    ...connectionFlags,
    json: jsonFlag,
    internal: { kind: 'switch', about: "also Kafka's own topics" },
  },
  run: (invocation) =>
    withAdmin(invocation, async (admin, output) => {
      const { json, internal } = invocation.flags
      const topics = await admin.listTopics({ listInternal: internal ?? false })
      await output.write(json ? toJson(topics) : topics.map(({ name }) => `${name}\n`).join(''))
    }),
})

export const topicsCreate: Command = command({
  name: 'topics create',
  about: 'Create topics',
  positional: { name: 'TOPIC', count: 'some' },
  flags: {
    ...connectionFlags,
    'partitions': { kind: 'number', placeholder: 'N', least: 1, about: "how many; else the brokers' default" },
    'replication-factor': {
      kind: 'number',
      placeholder: 'N',
      least: 1,
      about: "on how many brokers each partition is kept; else the brokers' default",
    },
    'config': { kind: 'pairs', placeholder: 'NAME=VALUE', about: 'a setting of the topic; may be repeated' },
    'if-not-exists': { kind: 'switch', about: 'a topic that exists already is no error' },
    'json': jsonFlag,
  },
  notes: 'example: jackdaw topics create orders --partitions 6 --config cleanup.policy=compact',
  run: (invocation) =>
    withAdmin(invocation, async (admin, output) => {
      const { flags, positionals, terminal } = invocation
      const results = await admin.createTopics(
        positionals.map((name): NewTopic => ({
          name,
          partitions: flags.partitions,
          replicationFactor: flags['replication-factor'],
          configs: Object.fromEntries(flags.config ?? []),
        })),
      )
      const isFine = ({ error }: CreateTopicResult): boolean =>
        error === null || (flags['if-not-exists'] === true && error.code === 'TOPIC_ALREADY_EXISTS')
      if (flags.json) await output.write(toJson(results))
      for (const result of results) {
        if (result.error === null) terminal.stderr.write(`created '${result.name}'${sizeOf(result.partitions)}\n`)
        else if (isFine(result)) terminal.stderr.write(`'${result.name}' exists already\n`)
      }
      failUnlessAll(results, isFine)
    }),
})

export const topicsDescribe: Command = command({
  name: 'topics describe',
  about: 'Show the partitions of topics, and the settings that are their own',
  positional: { name: 'TOPIC', count: 'any' },
  flags: { ...connectionFlags, json: jsonFlag },
  notes: 'Without a TOPIC: all of them.',
  run: (invocation) =>
    withAdmin(invocation, async (admin, output) => {
      const { positionals, flags } = invocation
      const names = positionals.length > 0 ? positionals : (await admin.listTopics()).map(({ name }) => name)
      if (names.length === 0) {
        if (flags.json) await output.write(toJson([]))
        return
      }
      const topics = await withOwnConfigs(admin, await admin.describeTopics(names))
      if (flags.json) await output.write(toJson(topics))
      else await output.write(topics.map((topic) => (topic.error === null ? describe(topic) : '')).join(''))
      failUnlessAll(topics, ({ error }) => error === null)
    }),
})

export const topicsDelete: Command = command({
  name: 'topics delete',
  about: 'Delete topics with all their records',
  positional: { name: 'TOPIC', count: 'some' },
  flags: {
    ...connectionFlags,
    'if-exists': { kind: 'switch', about: 'a topic that does not exist is no error' },
    'json': jsonFlag,
  },
  run: (invocation) =>
    withAdmin(invocation, async (admin, output) => {
      const { flags, positionals, terminal } = invocation
      const results = await admin.deleteTopics(positionals)
      const isFine = ({ error }: { error: { code: string } | null }): boolean =>
        error === null || (flags['if-exists'] === true && error.code === 'UNKNOWN_TOPIC_OR_PARTITION')
      if (flags.json) await output.write(toJson(results))
      for (const result of results) {
        if (result.error === null) terminal.stderr.write(`deleted '${result.name}'\n`)
        else if (isFine(result)) terminal.stderr.write(`there is no topic '${result.name}'\n`)
      }
      failUnlessAll(results, isFine)
    }),
})

async function withAdmin(
  { flags, terminal }: Invocation<ConnectionFlags & FlagTable>,
  task: (admin: Admin, output: Output) => Promise<void>,
): Promise<void> {
  const connection = connectionOptions(flags, terminal)
  const { Admin } = await import('jackdaw')
  const admin = new Admin(connection)
  const stopListening = terminal.onInterrupt(() => {
    admin.destroy(new CommandError('interrupted'))
  })
  try {
    await admin.start()
    await task(admin, new Output(terminal.stdout))
  } finally {
    stopListening()
    await admin.close()
  }
}

/** @throws CommandError with every error that is not fine, a line each */
function failUnlessAll<R extends { readonly error: Error | null }>(
  results: readonly R[],
  isFine: (one: R) => boolean,
): void {
  const complaints = results.flatMap((one) => (isFine(one) || one.error === null ? [] : one.error.message))
  if (complaints.length > 0) throw new CommandError(complaints.join('\n'))
}

type Described = DescribeTopicResult & { readonly configs?: Readonly<Record<string, string | null>> }

/** Adds the settings that differ from the brokers' defaults. Who may not see them sees the rest all the same. */
async function withOwnConfigs(admin: Admin, topics: readonly DescribeTopicResult[]): Promise<Described[]> {
  const known = topics.filter(({ error }) => error === null)
  if (known.length === 0) return [...topics]
  const results = await admin.describeConfigs(known.map(({ name }) => ({ type: 'topic', name: name! })))
  const configs = new Map(
    results.flatMap(({ name, configs: entries }) => {
      const own = entries?.filter(({ source }) => source === 'dynamic-topic')
      return own === undefined ? [] : [[name, Object.fromEntries(own.map((entry) => [entry.name, entry.value]))]]
    }),
  )
  return topics.map((topic) => {
    const own = configs.get(topic.name!)
    return own === undefined ? topic : { ...topic, configs: own }
  })
}

function describe({ name, topicId, partitions, configs }: TopicDescription & Described): string {
  const rows = partitions.map(({ partition, leader, replicas, isr, offlineReplicas }) => [
    `  ${partition}`,
    leader === null ? 'none' : String(leader),
    replicas.join(','),
    isr.join(','),
    offlineReplicas.length === 0 ? '-' : offlineReplicas.join(','),
  ])
  const settings = Object.entries(configs ?? {}).map(([key, value]) => `  ${key}=${value ?? ''}`)
  const id = topicId === null ? '' : `, id ${topicId}`
  const head = `${name}: ${partitions.length} partition${partitions.length === 1 ? '' : 's'}${id}`
  const table = alignColumns([['  partition', 'leader', 'replicas', 'in sync', 'offline'], ...rows])
  return [head, ...settings, ...table, ''].join('\n')
}

function sizeOf(partitions: number | null): string {
  return partitions === null ? '' : ` with ${partitions} partition${partitions === 1 ? '' : 's'}`
}

/** Errors as what they say: JSON would show them without their message. */
function toJson(value: unknown): string {
  const replace = (_key: string, item: unknown): unknown =>
    item instanceof Error ? { code: (item as Error & { code?: string }).code, message: item.message } : item
  return `${JSON.stringify(value, replace, 2)}\n`
}
