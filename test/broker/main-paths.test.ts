import { kafka } from '../support/kafka/kafka.ts'
import { mainPaths } from '../scenarios/main-paths.ts'

// On the in-process cluster: test/scenarios/in-process.test.ts.
mainPaths(kafka)
