import { administeringScenarios } from './administering.js'
import { consumingScenarios } from './consuming.js'
import { oldFormatScenarios } from './old-formats.js'
import { producingScenarios } from './producing.js'
import { startVersion, type BrokerAbilities } from './support.js'

const abilities: BrokerAbilities = {
  version: '1.1.1',
  zstd: false,
  leaderEpochs: false,
  incrementalAlterConfigs: false,
  defaultPartitions: false,
  documents: false,
  topicIds: false,
  describesById: false,
}

const broker = await startVersion(abilities.version)

producingScenarios(broker, abilities)
administeringScenarios(broker, abilities)
oldFormatScenarios(broker)
consumingScenarios(broker, abilities)
