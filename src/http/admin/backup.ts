import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../administration/refusal.ts'
import { backupOf } from '../../backup/dump.ts'
import type { Database } from '../../db/database.ts'
import { CannotOpen } from '../../db/errors.ts'
import type { AdminApp } from '../control/env.ts'
import { placeNamed } from '../control/places.ts'
import { problems } from '../control/schemas.ts'
import { needs } from '../permissions.ts'
import { streamed } from '../streamed.ts'

const take = createRoute({
  method: 'get',
  path: '/backup',
  operationId: 'getBackup',
  summary: 'Back up the embedded database while the gateway runs',
  tags: ['Backup'],
  description:
    'For keys of the instance with the permissions "admin" and "directory:read". All that the database holds at one moment, for `rollcall restore`; ' +
    'secrets are sealed in it. One at a time. A gateway on PostgreSQL answers 409: there `pg_dump` makes backups.',
  request: {},
  responses: {
    200: {
      description: 'The backup, which is whole when the answer ends',
      content: { 'application/gzip': { schema: z.string().openapi({ format: 'binary' }), example: '(bytes)' } },
    },
    ...problems,
  },
})

/** `/backup` of the admin API. */
export function backupRoutes(app: AdminApp, dataDir: string): void {
  let underWay = false

  app.openapi(take, async (c) => {
    await placeNamed(c.var, {})
    // All people of all tenants are in it.
    needs(c.var.principal, 'directory:read')
    const { database, passage } = c.var
    if (database.engine !== 'pglite')
      throw new Refusal(409, 'The data of this gateway is in PostgreSQL: back it up with pg_dump.')
    const headers = { 'Content-Type': 'application/gzip', 'Cache-Control': 'no-store' }
    // Nobody would read what is made for it.
    if (c.req.method === 'HEAD') return c.body(null, 200, headers) as never
    if (underWay) throw new Refusal(409, 'A backup is under way. Try again when it has ended.')
    underWay = true
    const copy = await copyOf(database, dataDir).catch((error: unknown) => {
      underWay = false
      throw error
    })
    let ended: Promise<void> | undefined
    const end = () => {
      signal.removeEventListener('abort', end)
      // Only then may the next one have the folder of the copy. What of it cannot be removed, the next one removes.
      ended ??= copy
        .close()
        .catch(() => {})
        .finally(() => {
          underWay = false
        })
      return ended
    }
    const { signal } = c.req.raw
    // Of an answer that waits behind another, its stream is not told that the reader has gone.
    signal.addEventListener('abort', end)
    if (signal.aborted) void end()
    return c.body(streamed(untilEnd(backupOf(copy), end), passage, { over: end }), 200, headers) as never
  })
}

/** The answer ends when all is tidied up, so that its reader may ask again at once. */
async function* untilEnd(bytes: AsyncIterable<Uint8Array>, end: () => Promise<void>): AsyncGenerator<Uint8Array, void> {
  yield* bytes
  await end()
}

async function copyOf(database: Database, dataDir: string): Promise<Database> {
  // Only the embedded engine is loaded where it is used.
  const { openCopy } = await import('../../db/pglite-copy.ts')
  return openCopy(database, dataDir).catch((error: unknown) => {
    throw error instanceof CannotOpen ? new Refusal(409, `${error.message}.`) : error
  })
}
