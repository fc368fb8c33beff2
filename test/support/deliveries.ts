import { loadConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/database.ts'
import { openDeliveries, type RunningDeliveries } from '../../src/delivery/deliveries.ts'

/** Deliveries that are not started: for an app of which a test asks other things. */
export const idleDeliveries = (database: Database): RunningDeliveries =>
  openDeliveries(database, loadConfig({}), { failed: () => {}, disabled: () => {} })
