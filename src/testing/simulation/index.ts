/** Time, chance and network for tests that replay exactly; part of `jackdaw/testing`. */

export { Simulation, type RunOptions, type SimulationOptions } from './simulation.ts'
export { SimulatedNetwork, type ConnectionFilter, type SimulatedNetworkSettings } from './simulated-network.ts'
export { SimulatedClock } from './simulated-clock.ts'
export { SeededRandom, type Range } from './seeded-random.ts'
export { EventLog } from './event-log.ts'
export type { Link, LinkFaults } from './link.ts'
