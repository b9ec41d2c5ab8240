/** What a transactional producer can be told: all that a producer can, under which id it writes, and for how long a
 *  transaction may be open. Opens nothing. */

import type { ClientOptions } from '../cluster/client.ts'
import type { ResolvedClusterOptions } from '../cluster/cluster-options.ts'
import { InvalidOptionError } from '../errors/errors.ts'
import type { RecordBytes } from '../model/produced-record.ts'
import { atLeast, nonEmptyString } from '../options/checks.ts'
import { quote, readOptions, type OptionTable, type ResolvedOptions } from '../options/option-table.ts'
import {
  producerOptions,
  readProducerOptions,
  type AnyProducerOptions,
  type ProducerOwnOptions,
  type ResolvedProducerOptions,
} from '../producer/producer-options.ts'

/** The options that only a transactional producer has. */
export interface TransactionOptions {
  /**
   * The name under which the cluster knows this producer, also after a restart. Whoever starts later under the same name
   * takes it over: the open transaction of the one before is aborted, and that one gets `FencedError`. So it names one
   * running instance, for instance `billing-0`.
   */
  transactionalId: string
  /**
   * For how long a transaction may be open before the cluster aborts it, in ms; brokers have a limit
   * (`transaction.max.timeout.ms`, by default 15 minutes). Default 60 000.
   */
  transactionTimeoutMs?: number
}

/** The options of a transactional producer beside those of its connections. */
export type TransactionalProducerOwnOptions<Key = RecordBytes, Value = RecordBytes> = ProducerOwnOptions<Key, Value> &
  TransactionOptions & {
    /** There is no choice: a transaction holds only what every in-sync replica has. */
    acks?: 'all' | -1
    /** There is no choice: transactions rest on sequence numbers. */
    idempotent?: true
  }

/** The options of a transactional producer: its own, and either those of its connections or a `cluster` to share. */
export type TransactionalProducerOptions<Key = RecordBytes, Value = RecordBytes> = ClientOptions<
  TransactionalProducerOwnOptions<Key, Value>
>

/** The options of any transactional producer, whatever its serializers take. */
export type AnyTransactionalProducerOptions = AnyProducerOptions & TransactionOptions

export type ResolvedTransactionOptions = ResolvedOptions<TransactionOptions, 'transactionalId' | 'transactionTimeoutMs'>

export const transactionOptions: OptionTable<TransactionOptions> = {
  transactionalId: {
    kafka: 'transactional.id',
    default: undefined,
    check: nonEmptyString,
    about: 'The name under which the cluster knows the producer; whoever starts later under it takes over. Required.',
  },
  transactionTimeoutMs: {
    kafka: 'transaction.timeout.ms',
    default: 60_000,
    check: atLeast(1, 0x7fffffff),
    about: 'How long a transaction may be open before the cluster aborts it, in ms.',
  },
}

export const transactionalProducerOptions: OptionTable<AnyTransactionalProducerOptions> = {
  ...producerOptions,
  ...transactionOptions,
}

const owner = 'TransactionalProducer'

/**
 * The producer's own options with defaults filled in.
 *
 * @throws InvalidOptionError for a wrong value, or when options contradict each other or those of the connections
 */
export function readTransactionalOptions(
  own: AnyTransactionalProducerOptions,
  connection: ResolvedClusterOptions,
): { readonly producer: ResolvedProducerOptions; readonly transactions: ResolvedTransactionOptions } {
  const { transactionalId, transactionTimeoutMs, ...rest } = own
  const transactions = readOptions<TransactionOptions, 'transactionalId' | 'transactionTimeoutMs'>(
    owner,
    transactionOptions,
    { transactionalId, ...(transactionTimeoutMs !== undefined && { transactionTimeoutMs }) },
  )
  // Only a required option can be wrong by its absence: the table has no word for that.
  if ((transactionalId as string | undefined) === undefined) {
    throw new InvalidOptionError(
      'transactionalId',
      `${owner} needs option 'transactionalId': a name that this instance keeps when it is restarted`,
    )
  }
  const producer = readProducerOptions(rest, connection, owner)
  const { acks } = producer
  if (rest.idempotent === false) {
    throw new InvalidOptionError(
      'idempotent',
      `option 'idempotent' of ${owner} must be true, not false: transactions rest on sequence numbers`,
    )
  }
  if (acks !== 'all' && acks !== -1) {
    throw new InvalidOptionError(
      'acks',
      `option 'acks' of ${owner} must be 'all', not ${quote(acks)}: a transaction holds only what every in-sync replica has`,
    )
  }
  return { producer, transactions }
}
