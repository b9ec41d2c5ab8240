/** Runs classes from Kafka's jars: brokers, and the command-line tools beside them. */

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheFolder, fetchKafka, toolClass } from './distribution.mjs'

const log4j2 = `Configuration:
  Appenders: { Console: { name: E, target: SYSTEM_ERR, PatternLayout: { pattern: "%d{ABSOLUTE} %p %c{1}: %m%n%ex" } } }
  Loggers: { Root: { level: warn, AppenderRef: [{ ref: E }] } }
`
const reload4j = `log4j.rootLogger=WARN, E
log4j.appender.E=org.apache.log4j.ConsoleAppender
log4j.appender.E.Target=System.err
log4j.appender.E.layout=org.apache.log4j.PatternLayout
log4j.appender.E.layout.ConversionPattern=%d{ABSOLUTE} %p %c{1}: %m%n
`

/** Puts a file into the cache in one step: another process never reads half of it. */
function cachedFile(name, content) {
  const path = join(cacheFolder, 'kafka', name)
  if (!existsSync(path) || readFileSync(path, 'utf8') !== content) {
    mkdirSync(join(cacheFolder, 'kafka'), { recursive: true })
    writeFileSync(`${path}.${process.pid}`, content)
    renameSync(`${path}.${process.pid}`, path)
  }
  return path
}

function loggingFlags() {
  return [
    `-Dlog4j2.configurationFile=${cachedFile('log4j2.yaml', log4j2)}`,
    `-Dlog4j.configuration=file:${cachedFile('log4j.properties', reload4j)}`,
  ]
}

/** The command line that runs a tool or class of this Kafka version on a small, quick-starting JVM. */
export async function javaCommand({ version, name, args = [], heapMb = 256, temporary = tmpdir() }) {
  const jars = await fetchKafka(version)
  return [
    'java',
    `-Xmx${heapMb}m`,
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-XX:-UsePerfData',
    '-Xshare:auto',
    `-Djava.io.tmpdir=${temporary}`,
    ...loggingFlags(),
    '-cp',
    join(jars, '*'),
    toolClass(version, name),
    ...args,
  ]
}

const longestOutput = 64 * 1024 * 1024

/**
 * Runs a command to its end: `{ code, signal, stdout, stderr }`. `stdin` is written and closed. The process is killed
 * after `timeoutMs`, when `signal` aborts, or when it says more than 64 MiB.
 */
export function runCommand([command, ...args], { stdin = '', timeoutMs = 60_000, signal, env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: env === undefined ? process.env : { ...process.env, ...env },
      killSignal: 'SIGKILL',
      signal,
    })
    // Not spawn's own timeout: a command that is not there would keep the process alive until it is over.
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    const startedAt = Date.now()
    const output = { stdout: [], stderr: [] }
    let size = 0
    for (const name of ['stdout', 'stderr']) {
      child[name].on('data', (chunk) => {
        size += chunk.length
        if (size <= longestOutput) output[name].push(chunk)
        else child.kill('SIGKILL')
      })
    }
    // The process may end before it read everything (EPIPE): its exit status says what matters.
    child.stdin.on('error', () => {})
    child.stdin.end(stdin)
    child.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.on('close', (code, killedBy) => {
      clearTimeout(timer)
      const stdout = Buffer.concat(output.stdout).toString()
      const stderr = Buffer.concat(output.stderr).toString()
      if (killedBy === null || signal?.aborted) {
        resolve({ code, signal: killedBy, stdout, stderr })
        return
      }
      const why = size > longestOutput ? 'it wrote more than 64 MiB' : `after ${Date.now() - startedAt} ms`
      reject(new Error(`${command} ${args.at(0) ?? ''}… was ended by ${killedBy}: ${why}\n${stderr.slice(-2_000)}`))
    })
  })
}

/** Runs one of Kafka's tools, by short name or class, to its end. See {@link runCommand}. */
export async function javaTool(version, name, args, options) {
  return await runCommand(await javaCommand({ version, name, args }), options)
}
