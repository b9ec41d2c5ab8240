/** aiokafka from TypeScript: python/client.py run as a process, and as a member of a group that lives on. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { aiokafkaPython } from '#scripts/foreign-tools.mjs'
import { runCommand } from '#scripts/kafka.mjs'
import { linesOf, type Kafka } from '../support/kafka/kafka.ts'

const program = new URL('../../../test/foreign/python/client.py', import.meta.url).pathname

/** What python/client.py is asked to do; each of its functions says what it reads. */
export interface AiokafkaJob {
  readonly do: 'produce' | 'consume' | 'transact' | 'offsets'
  readonly topic: string
  readonly [detail: string]: unknown
}

/** Does one job and resolves to the lines that came of it. */
export async function aiokafka<Line>(kafka: Kafka, job: AiokafkaJob): Promise<Line[]> {
  const stdin = `${JSON.stringify({ bootstrapServers: kafka.bootstrapServers, ...job })}\n`
  const { code, stdout, stderr } = await runCommand([aiokafkaPython, program], { stdin, timeoutMs: 40_000 })
  if (code !== 0) throw new Error(`aiokafka ended with status ${code}:\n${stderr}${stdout}`)
  return linesOf(stdout).map((line) => JSON.parse(line) as Line)
}

export interface AiokafkaMember {
  readonly values: string[]
  /** How many partitions it has. */
  partitions(): number
  /** Leaves the group. Idempotent. */
  close(): Promise<void>
}

/** Joins a group. */
export function aiokafkaMember(kafka: Kafka, topic: string, group: string): AiokafkaMember {
  const child = spawn(aiokafkaPython, [program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  child.stdin.on('error', () => {}) // it ended by itself, which its silence tells
  child.stdin.write(`${JSON.stringify({ do: 'join', bootstrapServers: kafka.bootstrapServers, topic, group })}\n`)
  const values: string[] = []
  let partitions = 0
  createInterface({ input: child.stdout }).on('line', (line) => {
    const told = JSON.parse(line) as { partitions?: number; value?: string }
    if (told.partitions !== undefined) partitions = told.partitions
    if (told.value !== undefined) values.push(told.value)
  })
  return {
    values,
    partitions: () => partitions,
    close: async () => {
      child.stdin.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await exited
      clearTimeout(timer)
    },
  }
}
