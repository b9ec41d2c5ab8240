/** Writes the table of broker error codes. Kafka has them in a class, not in its definitions, so that Java is asked. */

import { execFileSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { header, type GeneratedFile } from './emit-file.ts'
import { clientsJar, fetchJar } from './jars.ts'

export function emitErrorCodes(kafkaVersion: string): GeneratedFile {
  const classPath = [clientsJar(kafkaVersion), fetchJar('org.slf4j', 'slf4j-api', '1.7.36')].join(delimiter)
  const output = execFileSync('java', ['-cp', classPath, join('codegen', 'java', 'ErrorCodes.java')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
  })
  const codes = output
    .trim()
    .split('\n')
    .map((line) => {
      const [code, name, retriable] = line.trim().split(' ')
      return { code: Number(code), name: name ?? '', isRetriable: retriable === 'true' }
    })
    .sort((left, right) => left.code - right.code)
  const lines = [
    header({ current: kafkaVersion, older: null })[0]?.replace('message definitions', 'error codes') ?? '',
    '',
    '/** The name of every error code that a broker can answer with. */',
    'export type BrokerErrorCode =',
    ...codes.map(({ name }) => `  | '${name}'`),
    '',
    '/** Number, name, and whether the same request may succeed when it is made again. By ascending number. */',
    'export const brokerErrorTable: readonly (readonly [number, BrokerErrorCode, boolean])[] = [',
    ...codes.map(({ code, name, isRetriable }) => `  [${code}, '${name}', ${isRetriable}],`),
    ']',
  ]
  return { path: 'errors/broker-error-codes.ts', text: `${lines.join('\n')}\n` }
}
