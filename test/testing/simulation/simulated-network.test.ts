import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Transport } from '#src/async/transport.js'
import type { ServerConnection } from '#src/testing/listener.js'
import { Simulation, type SimulationOptions } from '#src/testing/simulation/index.js'

interface Dialed {
  readonly transport: Transport
  readonly server: ServerConnection
  /** What each side got, segment by segment. */
  readonly atClient: Buffer[]
  readonly atServer: Buffer[]
  readonly closed: { client?: { error: Error | undefined }; server?: true }
}

/** A listener at `broker:9092` and a connection to it. */
async function dial(simulation: Simulation, { listen = true } = {}): Promise<Dialed> {
  let server!: ServerConnection
  const atClient: Buffer[] = []
  const atServer: Buffer[] = []
  const closed: Dialed['closed'] = {}
  if (listen) {
    await simulation.listen('broker', 9092, (connection) => {
      server = connection
      connection.onData((chunk) => atServer.push(Buffer.from(chunk)))
      connection.onClose(() => {
        closed.server = true
      })
    })
  }
  const transport = await simulation.network.dialer()(
    { host: 'broker', port: 9092, tls: undefined, signal: new AbortController().signal },
    {
      onData: (chunk) => atClient.push(Buffer.from(chunk)),
      onClose: (error) => {
        assert.equal(closed.client, undefined)
        closed.client = { error }
      },
    },
  )
  return { transport, server, atClient, atServer, closed }
}

function write(transport: Transport, ...chunks: Uint8Array[]): Promise<Error | null | undefined> {
  return new Promise((resolve) => {
    transport.write(chunks, resolve)
  })
}

function inSimulation(options: SimulationOptions, body: (simulation: Simulation) => Promise<void>): Promise<void> {
  const simulation = new Simulation(options)
  return simulation.run(() => body(simulation))
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code

test('bytes arrive whole and in order in both directions, cut wherever it pleases the network', () =>
  inSimulation({ faults: { segmentBytes: [1, 7], latencyMs: [0, 20] } }, async (simulation) => {
    const { transport, server, atClient, atServer } = await dial(simulation)
    const sent = simulation.random.bytes(1_000)
    await write(transport, sent.subarray(0, 300), sent.subarray(300, 300), sent.subarray(300))
    server.write([sent])
    await simulation.sleep(10_000)
    assert.deepEqual(Buffer.concat(atServer), sent)
    assert.deepEqual(Buffer.concat(atClient), sent)
    assert.ok(atServer.length > 100, `${atServer.length} segments`)
    assert.ok(new Set(atServer.map(({ length }) => length)).size > 3)
  }))

test('what was lent is scribbled over: who keeps a view of it sees that', () =>
  inSimulation({}, async (simulation) => {
    let kept: Uint8Array | undefined
    await simulation.listen('broker', 1, (connection) => {
      connection.onData((chunk) => {
        kept = chunk
      })
    })
    const { signal } = new AbortController()
    const transport = await simulation.network.dialer()(
      { host: 'broker', port: 1, tls: undefined, signal },
      { onData: () => {}, onClose: () => {} },
    )
    await write(transport, Buffer.from('mine'))
    await simulation.sleep(5)
    assert.deepEqual(Buffer.from(kept!), Buffer.alloc(4, 0xdb))
  }))

test('memory is read after the write: who overwrites it before it was told so sends something else', () =>
  inSimulation({}, async (simulation) => {
    const { transport, atServer } = await dial(simulation)
    const memory = Buffer.from('before')
    const written = write(transport, memory)
    memory.write('after!')
    await written
    memory.write('unseen')
    await simulation.sleep(5)
    assert.equal(String(Buffer.concat(atServer)), 'after!')
  }))

test('a slow link takes its time, and a reader that pauses holds the writer up', () =>
  inSimulation({ faults: { bytesPerSecond: 1_000, latencyMs: [0, 0] } }, async (simulation) => {
    const { transport, server, atServer } = await dial(simulation)
    const begun = simulation.clock.now()
    void write(transport, Buffer.alloc(2_000), Buffer.alloc(1))
    while (Buffer.concat(atServer).length < 2_000) await simulation.sleep(1)
    assert.ok(Math.abs(simulation.clock.now() - begun - 2_000) < 5)
    simulation.network.setFaults({ bytesPerSecond: Infinity })
    await simulation.sleep(10)
    server.pause()
    void write(transport, Buffer.alloc(1_000_000))
    await simulation.sleep(60_000)
    assert.equal(Buffer.concat(atServer).length, 2_001)
    assert.ok(transport.pendingBytes > 700_000)
    server.resume()
    await simulation.sleep(1_000)
    assert.equal(transport.pendingBytes, 0)
    assert.equal(Buffer.concat(atServer).length, 1_002_001)
  }))

test('a side that ends is heard after what it had sent, and writes to it fail', () =>
  inSimulation({ faults: { latencyMs: [5, 5] } }, async (simulation) => {
    const { transport, server, atClient, closed } = await dial(simulation)
    server.write([Buffer.from('last words')])
    await simulation.sleep(0.01)
    server.destroy()
    await simulation.sleep(1)
    assert.deepEqual(closed, { server: true })
    await simulation.sleep(20)
    assert.equal(String(Buffer.concat(atClient)), 'last words')
    assert.deepEqual(closed, { server: true, client: { error: undefined } })
    assert.equal(codeOf(await write(transport, Buffer.from('too late'))), 'EPIPE')
    assert.equal(simulation.network.connectionCount, 0)
  }))

test('a destroyed client hears its end, and the server too', () =>
  inSimulation({}, async (simulation) => {
    const { transport, closed } = await dial(simulation)
    const reason = new Error('enough')
    transport.destroy(reason)
    transport.destroy()
    await simulation.sleep(5)
    assert.deepEqual(closed, { server: true, client: { error: reason } })
  }))

test('a reset is heard by both sides at once, with its code, and drops what was under way', () =>
  inSimulation({ faults: { latencyMs: [100, 100] } }, async (simulation) => {
    const { transport, atServer, closed } = await dial(simulation)
    await write(transport, Buffer.from('lost'))
    assert.equal(simulation.network.reset({ host: 'broker' }), 1)
    await simulation.sleep(500)
    assert.equal(codeOf(closed.client!.error), 'ECONNRESET')
    assert.ok(closed.server)
    assert.deepEqual(atServer, [])
    assert.equal(simulation.network.reset({ host: 'broker' }), 0)
  }))

test('a half-open connection swallows everything and tells nobody', () =>
  inSimulation({}, async (simulation) => {
    const { transport, server, atClient, atServer, closed } = await dial(simulation)
    simulation.network.silence({ host: 'client', and: 'broker' })
    void write(transport, Buffer.from('hello?'))
    server.write([Buffer.from('hello?')])
    await simulation.sleep(3_600_000)
    transport.destroy()
    await simulation.sleep(3_600_000)
    assert.deepEqual([atClient, atServer], [[], []])
    assert.deepEqual(closed, { client: { error: undefined } })
  }))

test('a partition holds bytes and dials back until it is healed; one way may stay open', () =>
  inSimulation({}, async (simulation) => {
    const { transport, server, atClient, atServer } = await dial(simulation)
    simulation.network.partition(['client'], ['broker'])
    void write(transport, Buffer.from('patience'))
    server.write([Buffer.from('patience')])
    let second: Dialed | undefined
    const dialing = dial(simulation, { listen: false }).then((dialed) => {
      second = dialed
    })
    await simulation.sleep(100_000)
    assert.deepEqual([atClient, atServer, second], [[], [], undefined])
    simulation.network.heal()
    await dialing
    await simulation.sleep(10)
    assert.equal(String(Buffer.concat(atClient)), 'patience')
    assert.equal(String(Buffer.concat(atServer)), 'patience')
    simulation.network.partition(['client'], ['broker'], 'forth')
    void write(transport, Buffer.from('!'))
    server.write([Buffer.from('?')])
    await simulation.sleep(10)
    assert.equal(String(Buffer.concat(atClient)), 'patience?')
    assert.equal(String(Buffer.concat(atServer)), 'patience')
  }))

test('dials fail as the system has them fail', () =>
  inSimulation({}, async (simulation) => {
    const failure = async (dialing: Promise<unknown>): Promise<string | undefined> =>
      dialing.then(() => 'connected', codeOf)
    assert.equal(await failure(dial(simulation, { listen: false })), 'ENOTFOUND')
    const listener = await simulation.listen('broker', 9092, () => {})
    assert.equal(await failure(dial(simulation, { listen: false })), 'connected')
    assert.equal(await failure(simulation.listen('broker', 9092, () => {})), 'EADDRINUSE')
    simulation.network.refuse('broker', 9092)
    assert.equal(await failure(dial(simulation, { listen: false })), 'ECONNREFUSED')
    simulation.network.refuse('broker', 9092, false)
    await listener.close()
    assert.equal(await failure(dial(simulation, { listen: false })), 'ECONNREFUSED')
    assert.notEqual((await simulation.listen('broker', 0, () => {})).port, 0)
    const tls = { host: 'broker', port: 9092, tls: {}, signal: new AbortController().signal }
    const events = { onData: () => {}, onClose: () => {} }
    await assert.rejects(simulation.network.dialer()(tls, events), /speaks no TLS/)
  }))

test('a dial that is given up rejects with the reason of its signal, and leaves no connection', () =>
  inSimulation({ faults: { latencyMs: [10, 10] } }, async (simulation) => {
    await simulation.listen('broker', 9092, () => {})
    const abort = new AbortController()
    const dialing = simulation.network.dialer()(
      { host: 'broker', port: 9092, tls: undefined, signal: abort.signal },
      { onData: () => {}, onClose: () => {} },
    )
    const reason = new Error('never mind')
    const outcome = assert.rejects(dialing, reason)
    await simulation.sleep(15)
    abort.abort(reason)
    await outcome
    await simulation.sleep(100)
    assert.equal(simulation.network.connectionCount, 0)
  }))

test('chance resets, silences and refuses as often as it is told to', () =>
  inSimulation({ faults: { refuseChance: 0.5 } }, async (simulation) => {
    await simulation.listen('broker', 9092, () => {})
    let refused = 0
    for (let i = 0; i < 200; i++) {
      await dial(simulation, { listen: false }).catch(() => refused++)
    }
    assert.ok(refused > 70 && refused < 130, `${refused} of 200 were refused`)
    simulation.network.setFaults({ refuseChance: 0, resetChance: 1 })
    const doomed = await dial(simulation, { listen: false })
    void write(doomed.transport, Buffer.from('x'))
    await simulation.sleep(5)
    assert.equal(codeOf(doomed.closed.client?.error), 'ECONNRESET')
    simulation.network.setFaults({ resetChance: 0, silenceChance: 1 })
    const mute = await dial(simulation, { listen: false })
    void write(mute.transport, Buffer.from('x'))
    await simulation.sleep(5)
    assert.deepEqual(mute.closed, {})
    assert.ok(simulation.log.lines.some((line) => line.endsWith('> falls silent')))
  }))

test('a link that cannot be is refused in words', () => {
  const { network } = new Simulation()
  for (const faults of [
    { latencyMs: [5, 1] },
    { latencyMs: [-1, 1] },
    { segmentBytes: [0, 1] },
    { bytesPerSecond: 0 },
    { resetChance: 1.5 },
    { silenceChance: NaN },
  ] as const) {
    assert.throws(
      () => {
        network.setFaults(faults)
      },
      new RegExp(`^RangeError: ${Object.keys(faults)[0]} cannot be`),
    )
  }
})
