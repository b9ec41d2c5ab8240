/** The end of a producer's epochs: there are 32 767 of them, and then it gets another id. */

import { InitProducerId } from '#src/wire/messages/init-producer-id.js'
import { describeProducers, TransactionalClient } from './transactional-client.js'
import type { Script, Stage } from './scripts.js'

const lastEpoch = 32_766
/** So many requests are under way at a time. */
const pipelined = 250

/** Takes the id anew until its producer has its last epoch. */
async function useUp(stage: Stage, client: TransactionalClient): Promise<void> {
  const connection = await stage.connect()
  const { transactionalId } = client
  let { producerEpoch } = client
  while (producerEpoch < lastEpoch) {
    const missing = Math.min(pipelined, lastEpoch - producerEpoch)
    const answers = await Promise.all(
      Array.from({ length: missing }, () =>
        connection.send(InitProducerId, 5, { transactionalId, transactionTimeoutMs: 60_000 }),
      ),
    )
    producerEpoch = Math.max(producerEpoch, ...answers.map((answer) => answer.producerEpoch))
  }
  client.producerEpoch = producerEpoch
}

export const exhausting: readonly Script[] = [
  {
    name: 'a producer whose epochs are used up gets another id',
    isLong: true,
    async run(stage) {
      const topic = await stage.topic()
      const ending = await TransactionalClient.start(stage)
      const starting = await TransactionalClient.start(stage)
      await Promise.all([useUp(stage, ending), useUp(stage, starting)])
      await ending.produce('in the last epoch', topic, 0)
      const last = ending.identity
      await ending.end('a commit in the last epoch', true)
      await describeProducers(stage, 'the marker has one more', topic)
      await ending.describe('another id')
      await ending.end('the commit again', true, { identity: last })
      await ending.end('an abort of it', false, { identity: last })
      await ending.produce('in the last epoch again', topic, 1, { identity: last })
      await ending.initialize('with what it had', last)
      await ending.produce('with the new id', topic, 0)
      await ending.end('a commit with the new id', true)
      await ending.end('the first commit, long after', true, { identity: last })
      const had = starting.identity
      await starting.initialize('with its last epoch', had)
      await starting.initialize('with its last epoch, again', had)
      await starting.describe('another id, too')
      await starting.initialize('anew')
    },
  },
]
