/** The states of a transactional producer, which of them may follow which, and what a call does in each: tables, and the
 *  one variable that moves through them. Sends nothing. */

import { KafkaError } from '../errors/kafka-error.ts'

/**
 * - `uninitialized`: without an id and epoch that may be used: at first, and where only a new epoch tells our records from
 *   those of a transaction that went wrong
 * - `initializing`: the coordinator is asked for them
 * - `ready`: no transaction is open
 * - `in-transaction`: one is open, and nothing of it has failed
 * - `abortable-error`: something of it has failed: it can only be aborted
 * - `committing`, `aborting`: it is being ended, and takes nothing more
 * - `fatal-error`: the producer can do nothing more
 */
export type TransactionState =
  | 'uninitialized'
  | 'initializing'
  | 'ready'
  | 'in-transaction'
  | 'abortable-error'
  | 'committing'
  | 'aborting'
  | 'fatal-error'

export const nextStates: Readonly<Record<TransactionState, readonly TransactionState[]>> = {
  'uninitialized': ['initializing', 'fatal-error'],
  'initializing': ['ready', 'uninitialized', 'fatal-error'],
  'ready': ['in-transaction', 'uninitialized', 'fatal-error'],
  'in-transaction': ['committing', 'aborting', 'abortable-error', 'fatal-error'],
  'abortable-error': ['aborting', 'fatal-error'],
  // A record may fail while the commit waits for it; a commit without a known outcome leaves nothing to go on with.
  'committing': ['ready', 'uninitialized', 'abortable-error', 'fatal-error'],
  'aborting': ['ready', 'uninitialized', 'fatal-error'],
  'fatal-error': [],
}

/** What is asked of a transactional producer; `send` stands for everything that adds to a transaction. */
export type TransactionCall = 'begin' | 'send' | 'commit' | 'abort'

/**
 * - `go`: it is done
 * - `initialize`: it is done once there is an id
 * - `busy`: a transaction is open already
 * - `none`: no transaction is open
 * - `failed`: the transaction can only be aborted
 * - `ending`: the transaction is being ended
 * - `fatal`: nothing can be done any more
 */
export type CallRule = 'go' | 'initialize' | 'busy' | 'none' | 'failed' | 'ending' | 'fatal'

export const callRules: Readonly<Record<TransactionCall, Readonly<Record<TransactionState, CallRule>>>> = {
  begin: {
    'uninitialized': 'initialize',
    'initializing': 'initialize',
    'ready': 'go',
    'in-transaction': 'busy',
    'abortable-error': 'busy',
    'committing': 'busy',
    'aborting': 'busy',
    'fatal-error': 'fatal',
  },
  send: {
    'uninitialized': 'none',
    'initializing': 'none',
    'ready': 'none',
    'in-transaction': 'go',
    'abortable-error': 'failed',
    'committing': 'ending',
    'aborting': 'ending',
    'fatal-error': 'fatal',
  },
  commit: {
    'uninitialized': 'none',
    'initializing': 'none',
    'ready': 'none',
    'in-transaction': 'go',
    // It aborts, and tells why.
    'abortable-error': 'go',
    'committing': 'ending',
    'aborting': 'ending',
    'fatal-error': 'fatal',
  },
  abort: {
    'uninitialized': 'none',
    'initializing': 'none',
    'ready': 'none',
    'in-transaction': 'go',
    'abortable-error': 'go',
    'committing': 'ending',
    'aborting': 'ending',
    'fatal-error': 'fatal',
  },
}

export class TransactionStateHolder {
  #state: TransactionState = 'uninitialized'

  get state(): TransactionState {
    return this.#state
  }

  /** @throws KafkaError when the table has no such move, which is a mistake of ours: nothing may go on from there */
  moveTo(next: TransactionState): void {
    if (!nextStates[this.#state].includes(next)) {
      throw new KafkaError('ILLEGAL_MOVE', `a transactional producer cannot go from ${this.#state} to ${next}`, false)
    }
    this.#state = next
  }

  rule(call: TransactionCall): CallRule {
    return callRules[call][this.#state]
  }
}
