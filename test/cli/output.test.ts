import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { Output } from '#src/cli/output.js'

function failing(code: string): Writable {
  return new Writable({
    write: (_chunk, _encoding, done) => {
      done(Object.assign(new Error(`write ${code}`), { code }))
    },
  })
}

test('a write resolves only when the reader took it', async () => {
  let take = (): void => {}
  const taken: string[] = []
  const output = new Output(
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        take = () => {
          taken.push(chunk.toString())
          done()
        }
      },
    }),
  )
  let isDone = false
  const written = output.write('a').then(() => {
    isDone = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(isDone, false)
  take()
  await written
  assert.deepEqual(taken, ['a'])
})

test('a reader that went away is told once and is no error; later writes are dropped', async () => {
  let times = 0
  const output = new Output(failing('EPIPE'), () => times++)
  await output.write('a')
  await output.write('b')
  assert.equal(output.isClosed, true)
  assert.equal(times, 1)
})

test('any other failure to write is an error', async () => {
  const output = new Output(failing('ENOSPC'))
  await assert.rejects(output.write('a'), { code: 'ENOSPC' })
  assert.equal(output.isClosed, false)
})
