import type { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import { migrationsFolder } from './migrations-folder.ts'

/** Applies what is missing to the embedded engine. */
export async function migratePglite(client: PGlite): Promise<void> {
  await migrate(drizzle({ client }), { migrationsFolder })
}
