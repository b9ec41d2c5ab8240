import { administeringScenarios } from './administering.js'
import { consumingScenarios } from './consuming.js'
import { everyVersionScenarios } from './every-version.js'
import { producingScenarios } from './producing.js'
import { startVersion, type BrokerAbilities } from './support.js'

const abilities: BrokerAbilities = {
  version: '3.9.2',
  zstd: true,
  leaderEpochs: true,
  incrementalAlterConfigs: true,
  defaultPartitions: true,
  documents: true,
  topicIds: true,
  describesById: true,
}

const broker = await startVersion(abilities.version)

producingScenarios(broker, abilities)
administeringScenarios(broker, abilities)
everyVersionScenarios(broker)
consumingScenarios(broker, abilities)
