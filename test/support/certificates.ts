/** Certificates for one test run, made by openssl: an authority, a broker's for `localhost`, one for another host. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface KeyAndCertificate {
  readonly key: string
  readonly cert: string
}

export interface Certificates {
  readonly ca: string
  /** For `localhost` and 127.0.0.1. */
  readonly broker: KeyAndCertificate
  /** For `elsewhere.example`. */
  readonly elsewhere: KeyAndCertificate
  readonly client: KeyAndCertificate
}

let made: Certificates | undefined

export function certificates(): Certificates {
  made ??= make()
  return made
}

function make(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'jackdaw-certificates-'))
  const file = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  }
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const issue = (name: string, commonName: string, alternatives: string): KeyAndCertificate => {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${commonName}`)
    writeFileSync(file(`${name}.ext`), `subjectAltName=${alternatives}\n`)
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.pem`],
    )
    return { key: readFileSync(file(`${name}.key`), 'utf8'), cert: readFileSync(file(`${name}.pem`), 'utf8') }
  }
  try {
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      '-subj',
      '/CN=test authority',
    )
    return {
      ca: readFileSync(file('ca.pem'), 'utf8'),
      broker: issue('broker', 'localhost', 'DNS:localhost,IP:127.0.0.1'),
      elsewhere: issue('elsewhere', 'elsewhere.example', 'DNS:elsewhere.example'),
      client: issue('client', 'client', 'DNS:client.example'),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
