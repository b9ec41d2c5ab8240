import { transactionScenarios } from '../transaction-scenarios.js'
import { startVersion } from './support.js'

// Kafka before 4.0 has transactions of version 1 only: partitions and groups are added one by one, and the epoch stays.
const { kafka } = await startVersion('3.9.2')

transactionScenarios(kafka)
