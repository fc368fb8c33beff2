import type { SslMode } from '../config/connection-tls.ts'
import type { Database } from './database.ts'

/** What was found between the gateway and its database, when that was opened. */
export interface FoundWay {
  /** Whether statements have names. */
  readonly prepare: boolean
  /** Whether what answers is a pooler; undefined where that was not looked at. */
  readonly pooled: boolean | undefined
  /** How connections are encrypted; undefined for the embedded engine. */
  readonly sslmode: SslMode | undefined
  readonly connections: number
  /** Role under which each tenant's statements run. */
  readonly tenantRole: string | undefined
}

/** The embedded engine has one session, in this process. */
const EMBEDDED: FoundWay = {
  ...{ prepare: false, pooled: false, sslmode: undefined, connections: 1, tenantRole: undefined },
}

// Beside the database, since each request makes views of it, and none of them needs this.
const ways = new WeakMap<Database, FoundWay>()

/** Keeps what was found. */
export function rememberWay(database: Database, way: FoundWay): void {
  ways.set(database.shared, way)
}

/** What was found when a database was opened. */
export const wayOf = (database: Database): FoundWay => ways.get(database.shared) ?? EMBEDDED
