import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemDoors } from '#src/async/doors.js'
import { Cluster } from '#src/cluster/cluster.js'
import { ListGroups } from '#src/wire/messages/list-groups.js'
import { ScriptedCluster } from '../support/scripted-broker.ts'

test('who is asked for what any broker can answer is drawn by lot', async (t) => {
  const scripted = await ScriptedCluster.start({}, { brokers: 3 })
  scripted.on(ListGroups, () => ({}))
  t.after(() => scripted.close())
  for (const [lot, asked] of [
    [0, 1],
    [0.5, 2],
    [0.99, 3],
  ] as const) {
    const random = { ...systemDoors.random, next: () => lot }
    const cluster = new Cluster({ bootstrapServers: scripted.address }, { ...systemDoors, random })
    t.after(() => {
      cluster.destroy()
    })
    const before = scripted.broker(asked).requests(ListGroups).length
    await cluster.send({ kind: 'any' }, ListGroups, { statesFilter: [], typesFilter: [] })
    assert.equal(scripted.broker(asked).requests(ListGroups).length, before + 1, `lot ${lot}`)
  }
})
