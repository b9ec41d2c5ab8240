/** All conversations. */

import { administering } from './administering.js'
import { exhausting } from './exhausting.js'
import { fetching } from './fetching.js'
import { grouping } from './grouping.js'
import { producing } from './producing.js'
import { transacting } from './transacting.js'
import { transactionalOffsets } from './transactional-offsets.js'
import { transactionalReading } from './transactional-reading.js'
import type { Script } from './scripts.js'

/** Those of which the answers depend on the version of transactions that is in force. */
export const transactionScripts: readonly Script[] = [...transacting, ...transactionalReading, ...transactionalOffsets]

export const scripts: readonly Script[] = [
  ...administering,
  ...producing,
  ...fetching,
  ...grouping,
  ...transactionScripts,
  ...exhausting,
]
