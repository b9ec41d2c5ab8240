/** Every command there is, in the order the help shows them. */

import type { Command } from './command.ts'
import { broker } from './commands/broker.ts'
import { consume } from './commands/consume.ts'
import { produce } from './commands/produce.ts'
import { topicsCreate, topicsDelete, topicsDescribe, topicsList } from './commands/topics.ts'

export const commands: readonly Command[] = [
  produce,
  consume,
  topicsList,
  topicsCreate,
  topicsDescribe,
  topicsDelete,
  broker,
]
