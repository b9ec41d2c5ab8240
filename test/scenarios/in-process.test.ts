import { randomUUID } from 'node:crypto'
import { after } from 'node:test'
import { TestCluster } from 'jackdaw/testing'
import { mainPaths } from './main-paths.ts'

const cluster = await TestCluster.start({
  brokers: 3,
  properties: { 'auto.create.topics.enable': false, 'group.min.session.timeout.ms': 1_000 },
})
after(() => cluster.close())

// On real Kafka: test/broker/main-paths.test.ts.
mainPaths(() =>
  Promise.resolve({
    bootstrapServers: cluster.bootstrapServers,
    createTopic: (options) => {
      const name = `topic-${randomUUID()}`
      cluster.createTopic(name, options)
      return Promise.resolve(name)
    },
  }),
)
