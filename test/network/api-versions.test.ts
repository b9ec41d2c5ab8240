import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { BrokerError } from '#src/errors/broker-error.js'
import { UnsupportedVersionError } from '#src/errors/errors.js'
import { clientSoftware } from '#src/network/api-versions.js'
import { ApiVersions } from '#src/wire/messages/api-versions.js'
import { DescribeConfigs } from '#src/wire/messages/describe-configs.js'
import { Fetch } from '#src/wire/messages/fetch.js'
import { Metadata } from '#src/wire/messages/metadata.js'
import { open } from '../support/network.ts'
import { ScriptedBroker } from '../support/scripted-broker.ts'

test('every connection begins with ApiVersions at the highest version, and says who asks', async (t) => {
  const broker = await ScriptedBroker.start()
  t.after(() => broker.close())
  await open(t, broker.port)
  const [first] = broker.received
  assert.equal(first!.api.name, 'ApiVersions')
  assert.equal(first!.version, ApiVersions.maxVersion)
  assert.deepEqual(first!.request, { ...clientSoftware })
  assert.equal(first!.clientId, 'test')
})

test('the name and the version we give are what brokers take, and the version is the package’s', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  assert.equal(clientSoftware.clientSoftwareVersion, version)
  const allowed = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/
  assert.match(clientSoftware.clientSoftwareName, allowed)
  assert.match(clientSoftware.clientSoftwareVersion, allowed)
})

test('a broker that knows ApiVersions to version 2 is asked again in version 2', async (t) => {
  const broker = await ScriptedBroker.start({}, { versions: { ApiVersions: [0, 2] } })
  t.after(() => broker.close())
  const { connection } = await open(t, broker.port)
  assert.deepEqual(
    broker.requests(ApiVersions).map(({ version }) => version),
    [4, 2],
  )
  assert.equal(connection.versions.pick(Metadata, {}), Metadata.maxVersion)
})

test('a broker of old that refuses without saying what it knows is asked in version 0', async (t) => {
  const broker = await ScriptedBroker.start({
    [ApiVersions.name]: (_, { version }) =>
      version > 0 ? { errorCode: 35, apiKeys: [] } : { apiKeys: [{ apiKey: 3, minVersion: 0, maxVersion: 2 }] },
  })
  t.after(() => broker.close())
  const { connection } = await open(t, broker.port)
  assert.deepEqual(
    broker.requests(ApiVersions).map(({ version }) => version),
    [4, 0],
  )
  assert.equal(connection.versions.pick(Metadata, {}), 2)
})

test('a broker that refuses every version is given up', { timeout: 10_000 }, async (t) => {
  const broker = await ScriptedBroker.start({
    [ApiVersions.name]: () => ({ errorCode: 35, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }] }),
  })
  t.after(() => broker.close())
  await assert.rejects(open(t, broker.port), (error) => {
    assert.ok(error instanceof BrokerError)
    assert.equal(error.message, 'broker 1 at test:9092 refused ApiVersions: UNSUPPORTED_VERSION')
    return true
  })
  await broker.until(() => broker.openConnections === 0)
})

test('the highest version that both speak is picked, within what the caller accepts', async (t) => {
  const broker = await ScriptedBroker.start({}, { versions: { Fetch: [5, 11] } })
  t.after(() => broker.close())
  const { versions } = (await open(t, broker.port)).connection
  assert.equal(versions.pick(Fetch, {}), 11)
  assert.equal(versions.pick(Fetch, { maxVersion: 9 }), 9)
  assert.equal(versions.pick(Fetch, { minVersion: 11 }), 11)
  assert.deepEqual(versions.range(Fetch), { minVersion: 5, maxVersion: 11 })
})

test('without a version in common, both ranges are named', async (t) => {
  const broker = await ScriptedBroker.start({}, { versions: { Fetch: [90, 99], Metadata: [0, 5], ListGroups: null } })
  t.after(() => broker.close())
  const { connection } = await open(t, broker.port)
  const refused = (message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof UnsupportedVersionError)
    assert.match(error.message, message)
    assert.equal(error.persistence, 'not-persisted')
    return true
  }
  await assert.rejects(
    connection.send(Fetch, {}),
    refused(/^broker 1 at test:9092 offers Fetch versions 90 to 99, Jackdaw speaks versions \d+ to \d+$/),
  )
  await assert.rejects(
    connection.send(Metadata, {}, { minVersion: 9 }),
    refused(/offers Metadata versions 0 to 5, Jackdaw speaks versions 0 to 13, and at least version 9 is needed$/),
  )
  const { ListGroups } = await import('#src/wire/messages/list-groups.js')
  await assert.rejects(connection.send(ListGroups, {}), refused(/does not offer ListGroups; Jackdaw speaks versions 0/))
  // Nothing of it was sent, and the connection is as good as before.
  assert.ok(connection.isOpen)
  assert.equal(broker.received.length, 1)
})

test('the level of a feature is what the cluster has finalized', async (t) => {
  const broker = await ScriptedBroker.start({
    [ApiVersions.name]: () => ({
      apiKeys: [],
      finalizedFeatures: [{ name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 1 }],
    }),
  })
  t.after(() => broker.close())
  const { versions } = (await open(t, broker.port)).connection
  assert.equal(versions.finalizedFeature('transaction.version'), 2)
  assert.equal(versions.finalizedFeature('group.version'), 0)
})

test('what the version that was picked has no word for is refused in words that name both ranges', async (t) => {
  const broker = await ScriptedBroker.start({}, { versions: { DescribeConfigs: [0, 1] } })
  t.after(() => broker.close())
  const { connection } = await open(t, broker.port)
  await assert.rejects(
    connection.send(DescribeConfigs, { resources: [], includeDocumentation: true }),
    (error: unknown) => {
      assert.ok(error instanceof UnsupportedVersionError)
      assert.match(
        error.message,
        /offers DescribeConfigs versions 0 to 1, Jackdaw speaks versions 0 to 4: .*version 1 has no field 'includeDocumentation'/,
      )
      assert.equal(error.persistence, 'not-persisted')
      return true
    },
  )
  assert.equal(broker.requests(DescribeConfigs).length, 0)
})
