import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { door, inWorld } from './produce-world.ts'

const notEnoughReplicas = { errorCode: 19 }
const notLeader = { errorCode: 6 }
const outOfOrder = { errorCode: 45 }
const tooLarge = { errorCode: 10 }

test('rule 1: a batch keeps its number, and is sent again byte for byte, until it is acknowledged', () =>
  inWorld({}, async (world) => {
    // Taken, and the answer lost, twice: the leader knows it by its number.
    world.script = (_, n) => (n < 2 ? 'lost' : undefined)
    assert.equal(await world.send('a'), 0)
    assert.equal(await world.send('b'), 1)
    assert.deepEqual(world.numbers, ['0:0 a', '0:0 a', '0:0 a', '0:1 b'])
    for (const { bytes } of world.arrivals.slice(0, 3)) assert.deepEqual(bytes, world.arrivals[0]!.bytes)
    assert.deepEqual(world.log(), ['a', 'b'])
  }))

test('rule 1: a batch that waits has no number yet, and takes as many as it has records', () =>
  inWorld({ options: { batchSize: 1_000 } }, async (world) => {
    await world.send('a')
    const held = door()
    world.script = () => held.opened.then(() => undefined)
    const first = world.send('b')
    await world.untilArrived(2)
    const second = [world.send('c'), world.send('d')]
    held.open()
    await Promise.all([first, ...second])
    await world.send('e')
    assert.deepEqual(world.numbers, ['0:0 a', '0:1 b', '0:2 c+d', '0:4 e'])
  }))

test('rule 2: what is tried again goes alone and in order, and what is new waits behind it', () =>
  inWorld({}, async (world) => {
    await world.send('a')
    world.script = ({ values }, n) => (values[0] === 'b' && n < 6 ? notEnoughReplicas : undefined)
    const sent = world.sendEach('b', 'c', 'd', 'e', 'f', 'g')
    assert.deepEqual(await sent, [1, 2, 3, 4, 5, 6])
    // Five went together; the four behind the one that was refused came too early. Then each has its turn.
    assert.deepEqual(
      world.arrivals.slice(1).map(({ values, inFlight }) => `${values[0]} ${inFlight}`),
      ['b 5', 'c 5', 'd 5', 'e 5', 'f 5', 'b 1', 'c 1', 'd 1', 'e 1', 'f 1', 'g 1'],
    )
    assert.deepEqual(world.numbers.slice(6), ['0:1 b', '0:2 c', '0:3 d', '0:4 e', '0:5 f', '0:6 g'])
    assert.deepEqual(world.log(), ['a', 'b', 'c', 'd', 'e', 'f', 'g'])
  }))

test('rule 2: nothing goes beside what is tried again: it is known to the leader only among its last five batches', () =>
  inWorld({}, async (world) => {
    await world.send('a')
    let answers = 0
    world.script = ({ values }) => {
      if (values[0] !== 'b') return undefined
      answers++
      // Taken, but not by enough replicas in time; then refused a few times.
      if (answers > 1) return answers < 8 ? notEnoughReplicas : undefined
      return { errorCode: 20, isTaken: true }
    }
    await world.sendEach('b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k')
    assert.deepEqual(world.log(), ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'])
    assert.ok(world.arrivals.every(({ epoch }) => epoch === 0))
  }))

test('rule 3: one batch is under way until the leader has acknowledged one, then five are', () =>
  inWorld({}, async (world) => {
    // Each is held until as many as may come have come.
    world.script = () => world.simulation.sleep(50).then(() => undefined)
    await world.sendEach('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')
    const inFlight = world.arrivals.map((arrival) => arrival.inFlight)
    assert.deepEqual(inFlight.slice(0, 4), [1, 5, 5, 5])
    assert.equal(Math.max(...inFlight), 5)
  }))

test('rule 3: a leader that may have forgotten us while nothing was sent has to acknowledge one batch again first', () =>
  inWorld({}, async (world) => {
    await world.send('a')
    await world.simulation.sleep(60_000)
    // Its memory of us has expired: it takes any number for the first.
    world.keeper.producers.clear()
    world.script = ({ values }, n) => (values[0] === 'b' && n === 1 ? notEnoughReplicas : undefined)
    await world.sendEach('b', 'c', 'd')
    assert.deepEqual(world.log(), ['a', 'b', 'c', 'd'])
    assert.deepEqual(
      world.arrivals.slice(1, 3).map(({ values, inFlight }) => `${values[0]} ${inFlight}`),
      ['b 1', 'b 1'],
    )
  }))

test('rule 4: nothing goes to a new leader while anything is under way to the old one', () =>
  inWorld({ brokers: 2 }, async (world) => {
    await world.send('a')
    const held = door()
    world.script = async ({ node }) => {
      if (node !== 1) return undefined
      await held.opened
      return notLeader
    }
    const sent = [world.sendEach('b', 'c')]
    await world.untilArrived(2)
    world.scripted.state.moveLeader('orders', 0, 2)
    await world.refreshed()
    sent.push(world.sendEach('d'))
    await world.simulation.sleep(5_000)
    assert.deepEqual(
      world.arrivals.map(({ node }) => node),
      [1, 1],
    )
    held.open()
    await Promise.all(sent)
    assert.deepEqual(
      world.arrivals.slice(3).map(({ node, base, values }) => `${node} ${base} ${values[0]}`),
      ['2 1 b', '2 2 c', '2 3 d'],
    )
    assert.deepEqual(world.log(), ['a', 'b', 'c', 'd'])
  }))

test('rule 5: a batch gets a new number only when the leader refused exactly it, alone, twice', () =>
  inWorld({}, async (world) => {
    await world.sendEach('a', 'b', 'c')
    // What was acknowledged last is not in the log any more, as after an unclean election.
    world.keeper.producers.get('orders-0')!.forEach(({ batches }) => batches.pop())
    world.keeper.logs.get('orders-0')!.pop()
    await world.sendEach('d', 'e', 'f')
    await world.send('g')
    assert.deepEqual(world.numbers.slice(3), [
      // Together: that proves nothing.
      '0:3 d',
      '0:4 e',
      '0:5 f',
      '0:3 d',
      '0:3 d',
      // Proven: the partition begins a new epoch, with all that waits behind it.
      '1:0 d',
      '1:1 e',
      '1:2 f',
      '1:3 g',
    ])
    assert.deepEqual(world.log(), ['a', 'b', 'd', 'e', 'f', 'g'])
  }))

test('rule 5: what is refused by its number while something behind it is acknowledged, is in the log', () =>
  inWorld({}, async (world) => {
    await world.send('a')
    let answers = 0
    world.script = ({ values }) => {
      if (values[0] !== 'b') return undefined
      answers++
      // Taken, but not by enough replicas in time. Then its leader is started anew, and remembers the last batch alone.
      if (answers === 1) return { errorCode: 20, isTaken: true }
      if (answers === 2) world.keeper.producers.get('orders-0')!.forEach(({ batches }) => batches.splice(0, 2))
      return undefined
    }
    assert.deepEqual(await world.sendEach('b', 'c', 'd'), [null, 2, 3])
    assert.equal(await world.send('e'), 4)
    assert.deepEqual(world.log(), ['a', 'b', 'c', 'd', 'e'])
    assert.equal(world.arrivals.at(-1)!.epoch, 0)
  }))

test('rule 5: refusals by different leaders are no proof', () =>
  inWorld({}, async (world) => {
    await world.send('a')
    world.script = (_, n) => [undefined, outOfOrder, notLeader, outOfOrder][n]
    await world.send('b')
    assert.deepEqual(world.numbers, ['0:0 a', '0:1 b', '0:1 b', '0:1 b', '0:1 b'])
  }))

const expiring = {
  requestTimeoutMs: 1_000,
  deliveryTimeoutMs: 1_500,
  retryBackoffMaxMs: 100,
  reconnectBackoffMaxMs: 100,
}

test('rule 5: what was sent and expired leaves a doubt; a batch behind it that is refused begins a new epoch', () =>
  inWorld({ options: expiring }, async (world) => {
    await world.send('a')
    world.script = ({ values }) => (values[0] === 'b' ? 'silence' : undefined)
    const lost = assert.rejects(world.send('b'), { code: 'TIMEOUT', persistence: 'possibly-persisted' })
    await world.simulation.sleep(900)
    const behind = world.send('c')
    await lost
    assert.equal(await behind, 1)
    assert.equal(await world.send('d'), 2)
    assert.deepEqual(world.numbers.slice(-4), ['0:2 c', '0:2 c', '1:0 c', '1:1 d'])
    assert.deepEqual(world.log(), ['a', 'c', 'd'])
  }))

test('rule 5: a batch behind a doubt that is acknowledged resolves it, and the numbers go on', () =>
  inWorld({ options: expiring }, async (world) => {
    await world.send('a')
    // It is taken each time, and nobody hears of it.
    world.script = async ({ values }, n) => {
      if (n === 1) await world.simulation.sleep(900)
      return values[0] === 'b' ? 'lost' : undefined
    }
    const lost = assert.rejects(world.send('b'), { code: 'TIMEOUT', persistence: 'possibly-persisted' })
    await world.simulation.sleep(800)
    const behind = world.send('c')
    await lost
    assert.equal(await behind, 2)
    assert.equal(await world.send('d'), 3)
    assert.deepEqual(world.numbers.slice(-2), ['0:2 c', '0:3 d'])
    assert.deepEqual(world.log(), ['a', 'b', 'c', 'd'])
  }))

test('rule 5: when nothing that has a number is left behind a doubt, what is new begins a new epoch', () =>
  inWorld({ options: expiring }, async (world) => {
    await world.send('a')
    world.script = ({ values }) => (values[0] === 'b' ? 'silence' : undefined)
    await assert.rejects(world.send('b'), { code: 'TIMEOUT' })
    await world.send('c')
    await world.send('d')
    assert.deepEqual(world.numbers.slice(-2), ['1:0 c', '1:1 d'])
    assert.deepEqual(world.log(), ['a', 'c', 'd'])
  }))

test('rule 5: a batch that surely is nowhere leaves its number to the next one', () =>
  inWorld({ options: expiring }, async (world) => {
    await world.send('a')
    world.script = ({ values }) => (values[0] === 'b' ? { errorCode: 87 } : undefined)
    await assert.rejects(world.send('b'), { code: 'INVALID_RECORD', persistence: 'not-persisted' })
    await world.scripted.brokers[0]!.close()
    await world.simulation.sleep(100)
    await assert.rejects(world.send('c'), { code: 'TIMEOUT' })
    await world.scripted.brokers[0]!.listen()
    await world.send('d')
    assert.deepEqual(world.numbers, ['0:0 a', '0:1 b', '0:1 d'])
  }))

test('rule 5: what follows a batch that failed for good is not lost, and not doubled', () =>
  inWorld({}, async (world) => {
    await world.send('a')
    world.script = ({ values }) => (values[0] === 'b' ? { errorCode: 87 } : undefined)
    const [refused, ...sent] = ['b', 'c', 'd'].map((value) => world.send(value))
    await assert.rejects(refused!, { code: 'INVALID_RECORD' })
    assert.deepEqual(await Promise.all(sent), [1, 2])
    assert.deepEqual(world.log(), ['a', 'c', 'd'])
  }))

test('rule 5: purge() of what waits to be sent again leaves a doubt', () =>
  inWorld({}, async (world) => {
    await world.send('a')
    const held = door()
    world.script = async (_, n) => {
      if (n === 1) return 'lost'
      if (n === 2) await held.opened
      return undefined
    }
    const purged = assert.rejects(world.send('b'), { code: 'PURGED', persistence: 'possibly-persisted' })
    while (world.producer.metrics().retries === 0) await world.simulation.sleep(1)
    world.producer.purge()
    await purged
    const sent = world.send('c')
    held.open()
    await sent
    // It is in the log; what follows neither doubles it nor is taken for it.
    assert.deepEqual(world.numbers, ['0:0 a', '0:1 b', '1:0 c'])
    assert.deepEqual(world.log(), ['a', 'b', 'c'])
  }))

test('rule 6: the new epoch is the troubled partition’s alone', () =>
  inWorld({ topics: { orders: [1, 1] } }, async (world) => {
    await Promise.all([world.send('a', 0), world.send('b', 1)])
    world.script = ({ partition, epoch }) => (partition === 0 && epoch === 0 ? outOfOrder : undefined)
    await Promise.all([world.send('c', 0), world.send('d', 1)])
    await Promise.all([world.send('e', 0), world.send('f', 1)])
    const of = (partition: number) =>
      world.arrivals.filter((one) => one.partition === partition).map(({ epoch, base }) => `${epoch}:${base}`)
    assert.deepEqual(of(0), ['0:0', '0:1', '0:1', '1:0', '1:1'])
    assert.deepEqual(of(1), ['0:0', '0:1', '0:2'])
  }))

test('rule 6: after the last epoch comes another producer id, for every partition as soon as it can', () =>
  inWorld({ topics: { orders: [1, 1] } }, async (world) => {
    let given = 0
    world.scripted.on(InitProducerId, () => ({ producerId: 70 + ++given, producerEpoch: given === 1 ? 32_767 : 0 }))
    await Promise.all([world.send('a', 0), world.send('b', 1)])
    world.script = ({ partition, producerId }) => (partition === 0 && producerId === 71 ? outOfOrder : undefined)
    await Promise.all([world.send('c', 0), world.send('d', 1)])
    await Promise.all([world.send('e', 0), world.send('f', 1)])
    const of = (partition: number) =>
      world.arrivals
        .filter((one) => one.partition === partition)
        .map(({ producerId, epoch, base, values }) => `${producerId}/${epoch}:${base} ${values[0]}`)
    assert.deepEqual(of(0), ['71/32767:0 a', '71/32767:1 c', '71/32767:1 c', '72/0:0 c', '72/0:1 e'])
    assert.deepEqual(of(1), ['71/32767:0 b', '71/32767:1 d', '72/0:0 f'])
    assert.deepEqual(
      [world.log(0), world.log(1)],
      [
        ['a', 'c', 'e'],
        ['b', 'd', 'f'],
      ],
    )
  }))

test('rule 7: numbers survive that the metadata forgets the topic for a while, and that its leader moves', () =>
  inWorld({ brokers: 2 }, async (world) => {
    await world.sendEach('a', 'b')
    const { topics } = world.scripted.state
    const topic = topics.get('orders')!
    topics.delete('orders')
    await world.refreshed()
    await world.refreshed()
    topics.set('orders', topic)
    await world.send('c')
    world.scripted.state.moveLeader('orders', 0, 2)
    await world.refreshed()
    await world.send('d')
    assert.deepEqual(world.numbers, ['0:0 a', '0:1 b', '0:2 c', '0:3 d'])
  }))

test('rule 10: a broker that calls a batch a duplicate has it, and does not say where', () =>
  inWorld({}, async (world) => {
    world.script = (_, n) => (n === 1 ? { errorCode: 46 } : undefined)
    assert.equal(await world.send('a'), 0)
    assert.equal(await world.send('b'), null)
  }))

test('rule 10: a topic that was made anew has to acknowledge one batch first', () =>
  inWorld({}, async (world) => {
    await world.sendEach('a', 'b')
    world.scripted.state.addTopic('orders', [1])
    world.keeper.producers.clear()
    world.keeper.logs.clear()
    await world.refreshed()
    world.script = () => world.simulation.sleep(50).then(() => undefined)
    await world.sendEach('c', 'd', 'e')
    assert.deepEqual(
      world.arrivals.slice(2, 4).map(({ inFlight }) => inFlight),
      [1, 2],
    )
    assert.deepEqual(world.log(), ['c', 'd', 'e'])
  }))

test('the parts of a batch that was too large have its numbers, and what was sent behind it keeps its own', () =>
  inWorld({ options: { batchSize: 400 } }, async (world) => {
    await world.send('a')
    world.script = ({ count }) => (count > 1 ? tooLarge : undefined)
    const large = ['b', 'c', 'd', 'e'].map((value) => world.send(value.padEnd(40)))
    await world.untilArrived(2)
    const behind = world.send('f')
    assert.deepEqual(await Promise.all([...large, behind]), [1, 2, 3, 4, 5])
    assert.deepEqual(
      world.log().map((value) => value.trim()),
      ['a', 'b', 'c', 'd', 'e', 'f'],
    )
    const { arrivals } = world
    const numbers = arrivals.map(({ epoch, base, count }) => `${epoch}:${base}+${count}`)
    assert.deepEqual([...new Set(numbers)].toSorted(), ['0:0+1', '0:1+1', '0:1+4', '0:2+1', '0:3+1', '0:4+1', '0:5+1'])
  }))

test('a batch that may be in the log as a whole is not written again in parts', () =>
  inWorld({ options: { batchSize: 400 } }, async (world) => {
    await world.send('a')
    world.script = (_, n) => (n === 1 ? 'lost' : n === 2 ? tooLarge : undefined)
    const sending = ['b', 'c', 'd', 'e'].map((value) => world.send(value.padEnd(40)))
    await world.untilArrived(2)
    const sent = await Promise.allSettled(sending)
    for (const outcome of sent) {
      assert.equal(outcome.status, 'rejected')
      assert.equal((outcome.reason as { persistence?: string }).persistence, 'possibly-persisted')
    }
    world.script = () => undefined
    await world.send('f')
    assert.deepEqual(
      world.log().map((value) => value.trim()),
      ['a', 'b', 'c', 'd', 'e', 'f'],
    )
  }))

test('an answer that comes after its batch expired still tells that the numbers were used', () =>
  inWorld({ options: { requestTimeoutMs: 1_000, deliveryTimeoutMs: 1_000 } }, async (world) => {
    await world.send('a')
    world.script = async (_, n) => {
      if (n === 1) return 'drop'
      if (n === 2) await world.simulation.sleep(950)
      return undefined
    }
    const expired = assert.rejects(world.send('b'), { code: 'TIMEOUT', persistence: 'possibly-persisted' })
    await expired
    await world.simulation.sleep(200)
    await world.send('c')
    assert.equal(world.numbers.at(-1), '0:2 c')
    assert.deepEqual(world.log(), ['a', 'b', 'c'])
  }))

test('a connection that ends with five batches under way costs one wait, and nothing of their order', () =>
  inWorld({}, async (world) => {
    await world.send('a')
    world.script = (_, n) => (n === 3 ? 'lost' : undefined)
    await world.sendEach('b', 'c', 'd', 'e', 'f', 'g')
    assert.deepEqual(world.log(), ['a', 'b', 'c', 'd', 'e', 'f', 'g'])
    // Had each of the batches that came back doubled the wait, it would have taken seconds.
    assert.ok(world.simulation.clock.now() < 1_000, `${world.simulation.clock.now()} ms`)
  }))

test('that parts of a batch are refused proves nothing of what was sent behind the whole', () =>
  inWorld({ options: { batchSize: 400 } }, async (world) => {
    await world.send('a')
    const held = door()
    // Both are taken, and the answers lost; then the first is too large of a sudden.
    world.script = async (_, n) => {
      if (n === 1) await held.opened
      if (n === 2) return 'lost'
      return n === 1 ? { errorCode: 20, isTaken: true } : n === 3 ? tooLarge : undefined
    }
    const large = Promise.allSettled(['b', 'c'].map((value) => world.send(value.padEnd(100))))
    await world.untilArrived(2)
    const behind = world.send('d')
    await world.simulation.sleep(10)
    held.open()
    for (const { status } of await large) assert.equal(status, 'rejected')
    assert.equal(await behind, 3)
    assert.deepEqual(
      world.log().map((value) => value.trim()),
      ['a', 'b', 'c', 'd'],
    )
    assert.ok(world.arrivals.every(({ epoch }) => epoch === 0))
  }))
