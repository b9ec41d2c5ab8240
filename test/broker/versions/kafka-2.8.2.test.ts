import { administeringScenarios } from './administering.js'
import { consumingScenarios } from './consuming.js'
import { oldFormatScenarios } from './old-formats.js'
import { producingScenarios } from './producing.js'
import { startVersion, type BrokerAbilities } from './support.js'

const abilities: BrokerAbilities = {
  version: '2.8.2',
  zstd: true,
  leaderEpochs: true,
  incrementalAlterConfigs: true,
  defaultPartitions: true,
  documents: true,
  topicIds: true,
  describesById: false,
}

const broker = await startVersion(abilities.version)

producingScenarios(broker, abilities)
administeringScenarios(broker, abilities)
oldFormatScenarios(broker)
consumingScenarios(broker, abilities)
