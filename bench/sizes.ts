import { migratePostgres } from '../src/db/migrate.ts'
import { openPostgres } from '../src/db/postgres.ts'
import { eventLogOf } from '../src/repositories/log/event-log.ts'
import { bulkBody, openInstance } from '../test/support/instances.ts'
import { startPostgres } from '../test/support/postgres-server.ts'
import { personAt } from './population.ts'

// How many bytes a user and an event take on disk, with their indexes: docs/scale.md counts with them.

const USERS = 10_000
const AT_ONCE = 200

const server = await startPostgres()
await migratePostgres({ databaseUrl: server.url })
const database = await openPostgres({ databaseUrl: server.url, databasePool: 4 })
const instance = await openInstance(database)
try {
  const tenant = await instance.newTenant()
  for (let at = 0; at < USERS; at += AT_ONCE) {
    const operations = Array.from({ length: AT_ONCE }, (_, i) => {
      return { method: 'POST', path: '/Users', bulkId: `u${at + i}`, data: personAt(tenant.id, at + i) }
    })
    const { status, text } = await tenant.scim('POST', '/Bulk', bulkBody(operations))
    if (status !== 200 || text.includes('"status":"4')) throw new Error(text.slice(0, 500))
  }
  while ((await eventLogOf(database, tenant.id).number({ wait: true })) > 0);
  await database.run('vacuum analyze', [], { prepare: false })
  const tables = await database.run<{ table: string; bytes: number }>(
    `select relname as table, (pg_total_relation_size(oid) / $1::float8)::int as bytes from pg_class
     where relname = any(array['resources', 'search_documents', 'events', 'event_positions']) order by 2 desc`,
    [USERS],
  )
  for (const { table, bytes } of tables) console.log(`${table.padEnd(16)} ${bytes} bytes for each user created`)
} finally {
  await instance.close()
  await database.close()
  await server.stop()
}
