/** What every client does first with its options: take the `Cluster` it was given, or make one of its own. */

import { systemDoors, type Doors } from '../async/doors.ts'
import { InvalidOptionError } from '../errors/errors.ts'
import { quote, readOptions, type OptionTable } from '../options/option-table.ts'
import { clusterOptions, readClusterOptions, type ClusterOptions } from './cluster-options.ts'
import { Cluster } from './cluster.ts'

/** A client's own options beside either a `Cluster` to share or the options to make one. */
export type ClientOptions<Own extends object> = Own & ({ cluster: Cluster } | ({ cluster?: never } & ClusterOptions))

export interface ClusterForClient<Own extends object> {
  readonly cluster: Cluster
  /** Whether the client made the cluster, and so must close it. */
  readonly owned: boolean
  /** What was given without the connection options and `cluster`; not checked yet. */
  readonly own: Own
}

/**
 * Divides what a client was given into its cluster and its own options.
 *
 * @param owner the client's class, for messages: `Producer`
 * @param given what the caller of the constructor gave
 * @param ownTable the client's own options: with it, an unknown option is refused in a message that lists all of them
 * @throws InvalidOptionError when `cluster` stands beside a connection option or is no `Cluster`, or an option is unknown
 */
export function clusterFor<Own extends object>(
  owner: string,
  given: Own & { cluster?: Cluster | undefined } & ClusterOptions,
  ownTable?: OptionTable<Own>,
  doors: Doors = systemDoors,
): ClusterForClient<Own> {
  if (typeof given !== 'object' || given === null) {
    throw new InvalidOptionError('options', `the options of ${owner} must be an object, not ${quote(given)}`)
  }
  const own: Record<string, unknown> = {}
  const connection: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    if (name === 'cluster') continue
    if (Object.hasOwn(clusterOptions, name)) connection[name] = value
    else own[name] = value
  }
  if (ownTable !== undefined) refuseUnknown(owner, own, ownTable)
  const { cluster } = given
  if (cluster === undefined) {
    // Here, so that the message names the class whose constructor was called.
    readClusterOptions(owner, connection)
    return { cluster: new Cluster(connection as ClusterOptions, doors), owned: true, own: own as Own }
  }
  if (!(cluster instanceof Cluster)) {
    throw new InvalidOptionError('cluster', `option 'cluster' of ${owner} must be a Cluster, not ${quote(cluster)}`)
  }
  const contradicting = Object.keys(connection).find((name) => connection[name] !== undefined)
  if (contradicting !== undefined) {
    throw new InvalidOptionError(
      contradicting,
      `option '${contradicting}' of ${owner} contradicts 'cluster': give it to the Cluster that is shared`,
    )
  }
  return { cluster, owned: false, own: own as Own }
}

function refuseUnknown(owner: string, own: Record<string, unknown>, ownTable: object): void {
  const unknown = Object.keys(own).find((name) => !Object.hasOwn(ownTable, name))
  if (unknown === undefined) return
  // Made by the one place that words this message, with every option a client of this kind takes.
  readOptions<object, never>(owner, { ...clusterOptions, ...ownTable }, { [unknown]: own[unknown] })
}
