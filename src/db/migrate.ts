import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import { CannotOpen } from './errors.ts'
import { migrationsFolder } from './migrations-folder.ts'
import { cannotOpen, connectPostgres } from './postgres.ts'
import { prepareTenantRole } from './tenant-role.ts'

// Any number that no other program's advisory lock has: the letters of "rollcall".
const LOCK = '8245929752839219308'

/**
 * Applies the missing migrations to PostgreSQL, and prepares the role for tenants where there is to be one. Of several instances
 * that start together, one does it and the others wait.
 *
 * The lock belongs to the session, so behind a pooler `directDatabaseUrl` has to go past it.
 *
 * @throws {CannotOpen} when the database does not answer, or a migration fails
 */
export async function migratePostgres(settings: {
  readonly databaseUrl: string
  readonly directDatabaseUrl?: string | undefined
  readonly databaseTenantRole?: string | undefined
}): Promise<void> {
  const databaseUrl = settings.directDatabaseUrl ?? settings.databaseUrl
  const client = connectPostgres({ databaseUrl, databasePrepare: false }, { max: 1, timeouts: false })
  try {
    await client.unsafe(`select pg_advisory_lock(${LOCK})`)
    await migrate(drizzle(client), { migrationsFolder })
    if (settings.databaseTenantRole !== undefined) await prepareTenantRole(client, settings.databaseTenantRole)
    await client.unsafe(`select pg_advisory_unlock(${LOCK})`)
  } catch (error) {
    throw error instanceof CannotOpen ? error : cannotOpen(databaseUrl, error)
  } finally {
    await client.end({ timeout: 5 })
  }
}
