import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'

import type { AssignableTopic, GroupMember } from '#src/group/assignor.js'
import { rangeAssignor } from '#src/group/range-assignor.js'

function member(memberId: string, topics: string[], more: Partial<GroupMember> = {}): GroupMember {
  return {
    memberId,
    topics,
    groupInstanceId: null,
    userData: null,
    ownedPartitions: [],
    generationId: -1,
    rackId: null,
    ...more,
  }
}

function topic(name: string, partitionCount: number, racks: readonly string[][] = []): AssignableTopic {
  return { name, partitionCount, racks: (partition) => new Set(racks[partition] ?? []) }
}

/** As `t0p2 t1p0` per member, the way Java's documentation writes it. */
function assigned(members: readonly GroupMember[], topics: readonly AssignableTopic[]): Record<string, string> {
  const written: Record<string, string> = {}
  for (const [id, partitions] of rangeAssignor.assign(members, topics)) {
    written[id] = partitions.map(({ topic: name, partition }) => `${name}p${partition}`).join(' ')
  }
  return written
}

describe('range, as Java’s RangeAssignor answers', () => {
  test('two members, two topics of three: the first gets two of each', () => {
    const topics = [topic('t0', 3), topic('t1', 3)]
    assert.deepEqual(assigned([member('C0', ['t0', 't1']), member('C1', ['t0', 't1'])], topics), {
      C0: 't0p0 t0p1 t1p0 t1p1',
      C1: 't0p2 t1p2',
    })
  })

  test('one member gets everything, and one of no known topic nothing', () => {
    assert.deepEqual(assigned([member('a', ['t'])], [topic('t', 3)]), { a: 'tp0 tp1 tp2' })
    assert.deepEqual(assigned([member('a', ['other'])], [topic('t', 3)]), { a: '' })
    assert.deepEqual(assigned([member('a', [])], []), { a: '' })
  })

  test('more members than partitions leave the last ones empty', () => {
    const members = ['c', 'a', 'b'].map((id) => member(id, ['t']))
    assert.deepEqual(assigned(members, [topic('t', 2)]), { c: '', a: 'tp0', b: 'tp1' })
  })

  test('mixed subscriptions divide each topic among its own subscribers', () => {
    const members = [member('consumer1', ['t1']), member('consumer2', ['t1', 't2']), member('consumer3', ['t1'])]
    assert.deepEqual(assigned(members, [topic('t1', 3), topic('t2', 2)]), {
      consumer1: 't1p0',
      consumer2: 't1p1 t2p0 t2p1',
      consumer3: 't1p2',
    })
  })

  test('static members come first, ordered by instance id whatever their member ids', () => {
    const members = [
      member('a', ['t'], { groupInstanceId: 'z' }),
      member('b', ['t'], { groupInstanceId: 'y' }),
      member('A', ['t']),
    ]
    assert.deepEqual(assigned(members, [topic('t', 3)]), { b: 'tp0', a: 'tp1', A: 'tp2' })
  })

  test('a member that names a topic twice counts once', () => {
    assert.deepEqual(assigned([member('a', ['t', 't']), member('b', ['t'])], [topic('t', 2)]), { a: 'tp0', b: 'tp1' })
  })

  test('racks are matched as far as balance allows', () => {
    const members = ['a', 'b', 'c'].map((rack, i) => member(`consumer${i}`, ['t'], { rackId: rack }))
    // Each partition on one rack only, in another order than the members.
    assert.deepEqual(assigned(members, [topic('t', 3, [['c'], ['a'], ['b']])]), {
      consumer0: 'tp1',
      consumer1: 'tp2',
      consumer2: 'tp0',
    })
    // Nobody is near: the plain range.
    const far = ['x', 'y'].map((rack, i) => member(`consumer${i}`, ['t'], { rackId: rack }))
    assert.deepEqual(assigned(far, [topic('t', 2, [['a'], ['b']])]), { consumer0: 'tp0', consumer1: 'tp1' })
    // Every rack has everything: there is nothing to match.
    const all = [
      ['a', 'b'],
      ['a', 'b'],
    ]
    const near = ['b', 'a'].map((rack, i) => member(`consumer${i}`, ['t'], { rackId: rack }))
    assert.deepEqual(assigned(near, [topic('t', 2, all)]), { consumer0: 'tp0', consumer1: 'tp1' })
  })

  test('topics alike stay co-partitioned, also when racks are matched', () => {
    const members = ['b', 'a'].map((rack, i) => member(`consumer${i}`, ['t1', 't2'], { rackId: rack }))
    const racks = [['a'], ['b']]
    assert.deepEqual(assigned(members, [topic('t1', 2, racks), topic('t2', 2, racks)]), {
      consumer0: 't1p1 t2p1',
      consumer1: 't1p0 t2p0',
    })
  })
})

test('every partition goes to one subscriber, and shares differ by one at most', () => {
  const topics = fc.array(
    fc.record({ count: fc.integer({ min: 0, max: 20 }), racks: fc.array(fc.constantFrom('a', 'b', 'c')) }),
    { maxLength: 5 },
  )
  const members = fc.array(
    fc.record({
      wants: fc.array(fc.integer({ min: 0, max: 4 })),
      rack: fc.constantFrom(null, '', 'a', 'b', 'c'),
      instance: fc.option(fc.nat(9)),
    }),
    { minLength: 1, maxLength: 8 },
  )
  fc.assert(
    fc.property(topics, members, (topicSpecs, memberSpecs) => {
      const all = topicSpecs.map(({ count, racks }, i) =>
        topic(
          `t${i}`,
          count,
          Array.from({ length: count }, (_, p) => racks.slice(p % 2)),
        ),
      )
      const group = memberSpecs.map(({ wants, rack, instance }, i) =>
        member(
          `m${i}`,
          wants.map((n) => `t${n}`),
          { rackId: rack, groupInstanceId: instance === null ? null : `i${instance}-${i}` },
        ),
      )
      const assignment = rangeAssignor.assign(group, all)
      for (const { name, partitionCount } of all) {
        const subscribers = group.filter((one) => one.topics.includes(name))
        const shares = subscribers.map((one) => assignment.get(one.memberId)!.filter((tp) => tp.topic === name))
        const given = shares
          .flat()
          .map((tp) => tp.partition)
          .toSorted((a, b) => a - b)
        assert.deepEqual(given, subscribers.length === 0 ? [] : [...Array(partitionCount).keys()])
        const sizes = shares.map((share) => share.length)
        if (sizes.length > 0) assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1)
      }
      const total = [...assignment.values()].flat().length
      const wanted = all.filter(({ name }) => group.some((one) => one.topics.includes(name)))
      assert.equal(
        total,
        wanted.reduce((sum, { partitionCount }) => sum + partitionCount, 0),
        'nobody gets what it did not ask for',
      )
    }),
  )
})
