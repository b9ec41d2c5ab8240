/**
 * Conversations with a broker, told in raw requests. Each is held with real Kafka and with the in-process cluster, and what
 * they say must be the same: where they differ, the in-process cluster is wrong.
 */

import type { Api, Init } from '#src/wire/api.js'
import { CreateTopics } from '#src/wire/messages/create-topics.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { DescribeGroups } from '#src/wire/messages/describe-groups.js'
import { FindCoordinator } from '#src/wire/messages/find-coordinator.js'
import { ListOffsets } from '#src/wire/messages/list-offsets.js'
import { RawClient } from '../raw-client.js'
import { Transcript } from './transcript.js'

export interface Script {
  readonly name: string
  /** Takes a real broker many seconds: it is asked when the transcripts are written, and not at every run. */
  readonly isLong?: true
  readonly run: (stage: Stage) => Promise<void>
}

/** What a script plays on: a broker, a place to write down what it says, and names that nobody else uses. */
export class Stage {
  readonly transcript = new Transcript()
  readonly #address: string
  readonly #clients: RawClient[] = []
  readonly #run: string
  #main: RawClient | undefined
  #names = 0

  constructor(address: string, run: string) {
    this.#address = address
    this.#run = run
  }

  /** A name for a topic or a group, called `kind` in the transcript. */
  name(kind: string): string {
    const name = `${kind}-${this.#run}-${++this.#names}`
    this.transcript.call(name, kind)
    return name
  }

  async connect(): Promise<RawClient> {
    const client = await RawClient.connect(this.#address)
    this.#clients.push(client)
    return client
  }

  /** Sends on the first connection. */
  async send<Request, Response>(
    api: Api<Request, Response>,
    version: number,
    request: Init<Request>,
  ): Promise<Response> {
    this.#main ??= await this.connect()
    return this.#main.send(api, version, request)
  }

  /** Sends, and writes the answer down. */
  async ask<Request, Response>(
    what: string,
    api: Api<Request, Response>,
    version: number,
    request: Init<Request>,
  ): Promise<Response> {
    const response = await this.send(api, version, request)
    this.transcript.note(what, response)
    return response
  }

  /** Writes down that a request has its connection ended. */
  async askToBeDropped<Request, Response>(
    what: string,
    api: Api<Request, Response>,
    version: number,
    request: Init<Request>,
  ): Promise<void> {
    const client = await this.connect()
    this.transcript.note(what, await client.send(api, version, request).catch((error: Error) => error.message))
  }

  /** Makes a topic and resolves to its name and id once it has leaders. */
  async topic({
    partitions = 1,
    configs = {},
  }: { partitions?: number; configs?: Record<string, string> } = {}): Promise<{ name: string; id: string }> {
    const name = this.name('topic')
    const entries = Object.entries(configs).map(([config, value]) => ({ name: config, value }))
    await this.send(CreateTopics, 7, {
      topics: [{ name, numPartitions: partitions, replicationFactor: 1, configs: entries }],
      timeoutMs: 10_000,
    })
    for (;;) {
      const { topics } = await this.send(Metadata, 13, { topics: [{ name }], allowAutoTopicCreation: false })
      const [topic] = topics
      if (topic?.errorCode === 0 && topic.partitions.every(({ leaderId }) => leaderId >= 0)) {
        // A fresh leader may not know yet that it is.
        const asked = topic.partitions.map(({ partitionIndex }) => ({ partitionIndex, timestamp: -1 }))
        const answer = await this.send(ListOffsets, 7, { topics: [{ name, partitions: asked }] })
        if (answer.topics[0]!.partitions.some(({ errorCode }) => errorCode !== 0)) continue
        this.transcript.call(topic.topicId, 'topic id')
        return { name, id: topic.topicId }
      }
    }
  }

  /** A name for a group whose coordinator is ready. */
  async group(): Promise<string> {
    const key = this.name('group')
    for (;;) {
      const { coordinators } = await this.send(FindCoordinator, 6, { keyType: 0, coordinatorKeys: [key] })
      if (coordinators[0]?.errorCode !== 0) continue
      const { groups } = await this.send(DescribeGroups, 5, { groups: [key] })
      if (groups[0]?.errorCode === 0) return key
    }
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }
}

/** Plays a script and returns what was said. */
export async function play({ run, name }: Script, address: string): Promise<Record<string, unknown>> {
  const stage = new Stage(address, `${process.pid}-${Math.random().toString(36).slice(2, 8)}`)
  try {
    await run(stage)
  } catch (error) {
    throw new Error(`'${name}' broke off after ${Object.keys(stage.transcript.entries).at(-1) ?? 'nothing'}`, {
      cause: error,
    })
  } finally {
    stage.close()
  }
  return stage.transcript.entries
}
