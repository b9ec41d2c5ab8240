import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  callRules,
  nextStates,
  TransactionStateHolder,
  type TransactionState,
} from '#src/transactions/transaction-state.js'

const states = Object.keys(nextStates) as TransactionState[]

/** How a state is reached from the first one, by legal moves. */
function pathTo(state: TransactionState): TransactionState[] {
  const paths: TransactionState[][] = [['uninitialized']]
  for (const path of paths) {
    const last = path.at(-1)!
    if (last === state) return path
    for (const next of nextStates[last]) if (!path.includes(next)) paths.push([...path, next])
  }
  throw new Error(`${state} is never reached`)
}

function holderAt(state: TransactionState): TransactionStateHolder {
  const holder = new TransactionStateHolder()
  for (const step of pathTo(state).slice(1)) holder.moveTo(step)
  return holder
}

test('every move of the table is made, and every other one is refused and changes nothing', () => {
  for (const from of states) {
    for (const to of states) {
      const holder = holderAt(from)
      if (nextStates[from].includes(to)) {
        holder.moveTo(to)
        assert.equal(holder.state, to)
      } else {
        assert.throws(() => holder.moveTo(to), { code: 'ILLEGAL_MOVE', message: new RegExp(`from ${from} to ${to}`) })
        assert.equal(holder.state, from)
      }
    }
  }
})

test('nothing follows a fatal error, and it may follow anything', () => {
  assert.deepEqual(nextStates['fatal-error'], [])
  for (const state of states) {
    if (state !== 'fatal-error') assert.ok(nextStates[state].includes('fatal-error'), state)
  }
})

test('a transaction that has failed can be aborted, and in no way become one that is committed', () => {
  assert.equal(callRules.abort['abortable-error'], 'go')
  assert.equal(callRules.send['abortable-error'], 'failed')
  assert.ok(!nextStates['abortable-error'].includes('committing'))
  assert.ok(!nextStates.aborting.includes('committing'))
})

test('records are taken while a transaction is open, and in no other state', () => {
  for (const state of states) assert.equal(callRules.send[state] === 'go', state === 'in-transaction', state)
})

test('another transaction begins only when none is open', () => {
  const open = ['in-transaction', 'abortable-error', 'committing', 'aborting']
  for (const state of states) assert.equal(callRules.begin[state] === 'busy', open.includes(state), state)
})
