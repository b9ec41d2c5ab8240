#!/usr/bin/env node
/**
 * Writes test/support/certificates.ts anew with openssl: an authority, a broker's certificate for `localhost`, one for
 * another host, a client's. They are committed, valid for a hundred years and good for nothing else, so that the tests of
 * TLS need Node alone.
 *
 *     node scripts/test-certificates.mjs
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './build.mjs'

const folder = mkdtempSync(join(tmpdir(), 'jackdaw-certificates-'))
const days = ['-days', '36500']
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
const read = (name) => readFileSync(join(folder, name), 'utf8').trim()

function issue(name, commonName, alternatives) {
  openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${commonName}`)
  writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${alternatives}\n`)
  const authority = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial']
  openssl('x509', '-req', '-in', `${name}.csr`, ...authority, ...days, '-extfile', `${name}.ext`, '-out', `${name}.pem`)
  return `{\n    key: \`${read(`${name}.key`)}\`,\n    cert: \`${read(`${name}.pem`)}\`,\n  }`
}

try {
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', ...days, '-subj', '/CN=test authority')
  const text = `/** Certificates for tests of TLS, made by scripts/test-certificates.mjs. Nothing else trusts them, and no secret is in them. */

export interface KeyAndCertificate {
  readonly key: string
  readonly cert: string
}

export interface Certificates {
  readonly ca: string
  /** For \`localhost\` and 127.0.0.1. */
  readonly broker: KeyAndCertificate
  /** For \`elsewhere.example\`. */
  readonly elsewhere: KeyAndCertificate
  readonly client: KeyAndCertificate
}

export const certificates: Certificates = {
  ca: \`${read('ca.pem')}\`,
  broker: ${issue('broker', 'localhost', 'DNS:localhost,IP:127.0.0.1')},
  elsewhere: ${issue('elsewhere', 'elsewhere.example', 'DNS:elsewhere.example')},
  client: ${issue('client', 'client', 'DNS:client.example')},
}
`
  writeFileSync(join(root, 'test', 'support', 'certificates.ts'), text)
} finally {
  rmSync(folder, { recursive: true })
}
