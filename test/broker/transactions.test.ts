import { kafka } from '../support/kafka/kafka.ts'
import { transactionScenarios } from './transaction-scenarios.ts'

transactionScenarios(await kafka())
