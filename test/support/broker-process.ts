/** `jackdaw broker` as a process of its own, that does not outlive the test that runs it. */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url))
const startMs = 20_000

/** The processes that must not outlive this one. */
const children = new Set<ChildProcess>()
const endChildren = (): void => {
  for (const child of children) child.kill('SIGKILL')
}
process.on('exit', endChildren)
// The runner ends a file that takes too long by this signal, at which there is no 'exit'.
process.once('SIGTERM', () => {
  process.exit(143)
})

export interface BrokerProcess {
  readonly child: ChildProcess
  /** As its banner tells them. */
  readonly bootstrapServers: string
  /** What it has written on standard error so far. */
  readonly stderr: () => string
  readonly stdout: () => string
}

/** Runs `jackdaw broker` and resolves once it says where it listens; it is killed when this process ends. */
export async function startBrokerProcess(args: readonly string[]): Promise<BrokerProcess> {
  const child = spawn(process.execPath, [main, 'broker', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      texts[name] += chunk
    })
  }
  const deadline = AbortSignal.timeout(startMs)
  for (;;) {
    const found = /listening at (\S+)/.exec(texts.stderr)?.[1]
    if (found !== undefined && texts.stderr.includes('Ctrl-C')) {
      return { child, bootstrapServers: found, stderr: () => texts.stderr, stdout: () => texts.stdout }
    }
    if (child.exitCode !== null) throw new Error(`jackdaw broker ended with status ${child.exitCode}: ${texts.stderr}`)
    await Promise.race([once(child.stderr, 'data', { signal: deadline }), once(child, 'close', { signal: deadline })])
  }
}
