/** What the tests of the command line share: running it on files, and a text large enough to show what goes wrong. */

import { spawn } from 'node:child_process'
import { isUtf8 } from 'node:buffer'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(import.meta.resolve('#src/cli/main.js'))

export interface Run {
  readonly status: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface RunOptions {
  /** Bytes for standard input, or `{ file }`. Default: nothing. */
  stdin?: Uint8Array | string | { readonly file: string }
  /** A file for standard output, which is then not collected. */
  stdoutFile?: string
  env?: Record<string, string>
  /** Hears standard output as it comes. */
  onOutput?: (chunk: Buffer, child: ReturnType<typeof spawn>) => void
  onSpawn?: (child: ReturnType<typeof spawn>) => void
  timeoutMs?: number
}

/** Runs `jackdaw` as a process of its own. */
export function jackdaw(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  return runCommand([process.execPath, main, ...args], options)
}

/** Runs a command to its end, whatever its status is. Rejects when it takes too long. */
export async function runCommand([command, ...args]: readonly string[], options: RunOptions = {}): Promise<Run> {
  const { stdin = '', stdoutFile, env = {}, onOutput, onSpawn, timeoutMs = 60_000 } = options
  const input = typeof stdin === 'object' && 'file' in stdin ? openSync(stdin.file, 'r') : 'pipe'
  const output = stdoutFile === undefined ? 'pipe' : openSync(stdoutFile, 'w')
  try {
    const child = spawn(command!, args, { stdio: [input, output, 'pipe'], env: { ...process.env, ...env } })
    onSpawn?.(child)
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout.push(chunk)
      onOutput?.(chunk, child)
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr.push(chunk)
    })
    if (child.stdin !== null) {
      // A command that ends before it read all its input breaks the pipe, which its status tells better.
      child.stdin.on('error', () => {})
      child.stdin.end(stdin)
    }
    const status = await new Promise<number | null>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL')
        reject(new Error(`${args.join(' ')} took longer than ${timeoutMs} ms: ${Buffer.concat(stderr).toString()}`))
      }, timeoutMs)
      child.on('error', reject)
      child.on('close', (code) => {
        clearTimeout(timer)
        resolve(code)
      })
    })
    return { status, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }
  } finally {
    if (typeof input === 'number') closeSync(input)
    if (typeof output === 'number') closeSync(output)
  }
}

/** The lines that the corpora have at least. */
export const leastLines = 200_000
const largestFileBytes = 262_144

/**
 * A real text: the sources of installed packages in the order of their paths, each line as `path<TAB>line`, so that the
 * path is the key. Left out are files that are not UTF-8 or hold a carriage return or NUL, as Java's console producer
 * reads text and takes a carriage return for the end of a line; and files of more than 256 KiB, so that there are many.
 */
export function textCorpus(): Buffer {
  const root = fileURLToPath(new URL('../../../node_modules', import.meta.url))
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(js|mjs|cjs|ts|md)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort((one, other) => (one < other ? -1 : 1))
  const parts: Buffer[] = []
  let count = 0
  for (const path of files) {
    if (count >= leastLines) break
    const bytes = readFileSync(join(root, path))
    if (bytes.length > largestFileBytes || !isUtf8(bytes) || bytes.includes(0) || bytes.includes('\r')) continue
    const lines = bytes.toString().replace(/\n$/, '').split('\n')
    parts.push(Buffer.from(lines.map((line) => `${path}\t${line}\n`).join('')))
    count += lines.length
  }
  return Buffer.concat(parts)
}

/** Lines that are no text: every byte but the line feed, carriage returns, NULs, what UTF-8 does not allow. */
export function oddLines(): Buffer {
  const lines: Buffer[] = []
  for (let i = 0; i < 1_000; i++) {
    const value = Buffer.from(
      Array.from({ length: i % 300 }, (_, j) => (i * 31 + j * 7) & 0xff).filter((byte) => byte !== 10),
    )
    lines.push(Buffer.from(`odd-${i % 7}\t`), value, Buffer.from('\n'))
  }
  return Buffer.concat(lines)
}

/** The lines of each key in their order, keyed by what precedes the first tab; one character a byte. */
export function linesByKey(bytes: Buffer): Map<string, string[]> {
  const byKey = new Map<string, string[]>()
  const text = bytes.toString('latin1')
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const key = line.slice(0, Math.max(0, line.indexOf('\t')))
    const lines = byKey.get(key)
    if (lines === undefined) byKey.set(key, [line])
    else lines.push(line)
  }
  return byKey
}

/** Says where two texts differ, by key and line; undefined when each key has the same lines in the same order. */
export function difference(actual: Buffer, expected: Map<string, string[]>): string | undefined {
  const found = linesByKey(actual)
  for (const [key, lines] of expected) {
    const others = found.get(key) ?? []
    if (lines.length === others.length && lines.every((line, i) => line === others[i])) continue
    const at = lines.findIndex((line, i) => line !== others[i])
    return `key '${key}': ${others.length} of ${lines.length} lines, the first difference at ${at}: ${JSON.stringify(others[at])} for ${JSON.stringify(lines[at])}`
  }
  const extra = [...found.keys()].find((key) => !expected.has(key))
  return extra === undefined ? undefined : `key '${extra}' should not be there`
}
