import { cannotOpen, connectPostgres } from './connect.ts'
import type { Database } from './database.ts'
import { CannotOpen } from './errors.ts'
import type { StatementLimits } from './handle.ts'
import { lookAtWay, type Way } from './pooler.ts'
import { guardedDatabase } from './postgres-guard.ts'
import { sessionSettings } from './session-settings.ts'
import { checkPolicies } from './tenant-role.ts'
import { rememberWay } from './way.ts'

export interface PostgresSettings extends StatementLimits {
  readonly databaseUrl: string
  /** Most connections at once. */
  readonly databasePool: number
  /** Whether statements have names; undefined to find out whether what is between allows it. */
  readonly databasePrepare?: boolean | undefined
  /** Role without ownership under which each tenant's statements run; undefined for no row-level security. */
  readonly databaseTenantRole?: string | undefined
}

/**
 * Opens PostgreSQL, and asks it whom the policies bind.
 *
 * @param way what is between; found out where it is not given
 * @throws {CannotOpen} when it does not answer, refuses us, or is behind a pooler that would mix statements up
 */
export async function openPostgres(settings: PostgresSettings, way?: Way): Promise<Database> {
  const { databaseUrl, databasePool: connections } = settings
  const { takesSettings, prepare, pooled, sslmode, distributed } = way ?? (await lookAtWay(settings))
  const asked = takesSettings ? sessionSettings(distributed) : {}
  const connect = () => connectPostgres(databaseUrl, { max: connections, prepare, settings: asked, sslmode })
  const database = guardedDatabase(connect, {
    ...settings,
    engine: 'postgres',
    ...{ prepare, connections, distributed },
    tenantRole: settings.databaseTenantRole,
  })
  const { databaseTenantRole: tenantRole } = settings
  rememberWay(database, { prepare, pooled, sslmode, connections, tenantRole })
  try {
    await checkPolicies(database, settings.databaseTenantRole)
  } catch (error) {
    await database.close()
    throw error instanceof CannotOpen ? error : cannotOpen(databaseUrl, error)
  }
  return database
}
