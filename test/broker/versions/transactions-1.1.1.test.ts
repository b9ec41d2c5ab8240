import { transactionScenarios } from '../transaction-scenarios.js'
import { startVersion } from './support.js'

// Before KIP-360 and KIP-447 nobody could go on from an epoch, and members of groups were not checked.
const { kafka } = await startVersion('1.1.1')

transactionScenarios(kafka, { continues: false, describes: false })
