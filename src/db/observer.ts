import type { StatementName } from './statement-names.ts'
import type { TurnsObserver } from './turns.ts'

/** The connections of an instance, at this moment. */
export interface PoolState {
  /** How many there may be. */
  readonly connections: number
  /** How many are in use. */
  readonly inUse: number
  /** Statements and transactions that wait for one. */
  readonly waiting: number
}

/**
 * Told of what the database does. It is called for each statement, so it has to be quick. Where there is none, nothing is measured.
 */
export interface DatabaseObserver extends TurnsObserver {
  /** Called once: `state` gives the connections as they are then. */
  opened(state: () => PoolState): void
  /** The database has answered a statement, or refused it. @param name undefined for one that has no name */
  answered(name: StatementName | undefined, ms: number): void
}
