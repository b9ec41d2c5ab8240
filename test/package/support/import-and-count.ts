/** Run as a process of its own: imports the package and writes what that cost, as JSON. `--count` counts modules, which
 *  takes time of its own: so time and memory are measured without it. */

import { register } from 'node:module'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'

const { port1, port2 } = new MessageChannel()
if (process.argv.includes('--count')) {
  register('./count-modules.js', import.meta.url, { data: { port: port2 }, transferList: [port2] })
}
const heapBefore = process.memoryUsage().rss
const startedAt = performance.now()
const { Producer, Consumer } = (await import('jackdaw' as string)) as Record<string, unknown>
const ms = performance.now() - startedAt
const rssBytes = process.memoryUsage().rss - heapBefore

const modules: string[] = []
for (let message = receiveMessageOnPort(port1); message !== undefined; message = receiveMessageOnPort(port1)) {
  modules.push(message.message as string)
}
port1.close()
process.stdout.write(JSON.stringify({ found: [typeof Producer, typeof Consumer], ms, rssBytes, modules }))
