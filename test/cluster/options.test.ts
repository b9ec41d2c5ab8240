import assert from 'node:assert/strict'
import { test } from 'node:test'

import { clusterFor } from '#src/cluster/client.js'
import { Cluster } from '#src/cluster/cluster.js'
import { InvalidOptionError } from '#src/errors/errors.js'
import { atLeast } from '#src/options/checks.js'
import type { OptionTable } from '#src/options/option-table.js'

interface Own {
  lingerMs?: number
}

const ownTable: OptionTable<Own> = {
  lingerMs: { kafka: 'linger.ms', default: 5, check: atLeast(0), about: 'How long to wait.' },
}

function refusal(option: string, message: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof InvalidOptionError)
    assert.equal(error.option, option)
    assert.match(error.message, message)
    return true
  }
}

test('every option has its default', () => {
  const { options } = new Cluster()
  assert.equal(options.bootstrapServers, 'localhost:9092')
  assert.equal(options.clientId, 'jackdaw')
  assert.equal(options.requestTimeoutMs, 40_000)
  assert.equal(options.connectionSetupTimeoutMs, 10_000)
  assert.equal(options.apiTimeoutMs, 60_000)
  assert.equal(options.metadataMaxAgeMs, 300_000)
  assert.equal(options.connectionsMaxIdleMs, 540_000)
  assert.equal(options.closeTimeoutMs, 30_000)
  assert.ok(options.maxResponseBytes > 2 * 52_428_800)
})

test('what cannot be honoured is refused and not ignored', () => {
  assert.throws(() => new Cluster({ sasl: {} } as object), refusal('sasl', /^Cluster has no option 'sasl'/))
  assert.throws(() => new Cluster({ clientID: 'x' } as object), refusal('clientID', /did you mean 'clientId'\?/))
  assert.throws(() => new Cluster({ requestTimeoutMs: 0 }), refusal('requestTimeoutMs', /a whole number of at least 1/))
  assert.throws(
    () => new Cluster({ tls: 'yes' as unknown as true }),
    refusal('tls', /must be true, false or an object/),
  )
  assert.throws(() => new Cluster({ dial: {} as never }), refusal('dial', /must be a function/))
  assert.throws(() => new Cluster({ logger: {} as never }), refusal('logger', /methods debug, info, warn, error/))
})

test('a secret in the settings never reaches a message', () => {
  const tls = ['s3cret'] as unknown as object
  assert.throws(
    () => new Cluster({ tls }),
    (error) => !String(error).includes('s3cret'),
  )
})

test('a client makes a cluster from the connection options and keeps its own', () => {
  const { cluster, owned, own } = clusterFor<Own>('Producer', { clientId: 'mine', lingerMs: 7 }, ownTable)
  assert.equal(cluster.options.clientId, 'mine')
  assert.equal(owned, true)
  assert.deepEqual(own, { lingerMs: 7 })
})

test('a client that is given a cluster shares it', () => {
  const shared = new Cluster()
  const { cluster, owned, own } = clusterFor<Own>('Producer', { cluster: shared, lingerMs: 7 }, ownTable)
  assert.equal(cluster, shared)
  assert.equal(owned, false)
  assert.deepEqual(own, { lingerMs: 7 })
})

test('a cluster beside a connection option contradicts', () => {
  assert.throws(
    () => clusterFor<Own>('Producer', { cluster: new Cluster(), clientId: 'mine' }, ownTable),
    refusal('clientId', /option 'clientId' of Producer contradicts 'cluster'/),
  )
  assert.throws(
    () => clusterFor<Own>('Producer', { cluster: {} as Cluster }, ownTable),
    refusal('cluster', /must be a Cluster, not an object/),
  )
})

test('an unknown option of a client is refused with all that it takes', () => {
  assert.throws(
    () => clusterFor<Own>('Producer', { lingerMS: 7 } as Own, ownTable),
    refusal(
      'lingerMS',
      /^Producer has no option 'lingerMS' \(did you mean 'lingerMs'\?\); it has .*bootstrapServers.*lingerMs/,
    ),
  )
})
