/** All conversations. */

import { administering } from './administering.js'
import { fetching } from './fetching.js'
import { grouping } from './grouping.js'
import { producing } from './producing.js'
import type { Script } from './scripts.js'

export const scripts: readonly Script[] = [...administering, ...producing, ...fetching, ...grouping]
