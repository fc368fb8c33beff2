import { setTimeout as pause } from 'node:timers/promises'
import { openMirrorDatabase } from './database.ts'
import type { Change } from './types.ts'

/** How changes are taken out of the outbox. */
export interface OutboxOptions {
  /** URL of the application's PostgreSQL. */
  readonly database: string
  /** `rollcall` without it. */
  readonly schema?: string | undefined
  /** Changes at once; 100 without it. */
  readonly limit?: number | undefined
  /** How long to wait when there is nothing; 500 ms without it. */
  readonly pollMs?: number | undefined
  /** Does what the changes ask for. When it throws, they come again: doing something twice has to be the same as once. */
  readonly handle: (changes: readonly Change[]) => Promise<void>
  /** Is told what `handle` or the database threw; then they are tried again. */
  readonly failed?: ((error: unknown) => void) | undefined
}

const LONGEST_RETRY_MS = 30_000

/**
 * Hands the changes of the outbox to `handle` in their order, until `signal` is aborted. Several may run: one at a time is handed
 * changes, so that nothing overtakes.
 */
export async function consumeOutbox(options: OutboxOptions, signal: AbortSignal): Promise<void> {
  const { schema: name = 'rollcall', limit = 100, pollMs = 500, handle, failed = () => {} } = options
  const database = openMirrorDatabase(options.database, name)
  const { schema: s } = database
  const next = () =>
    // Nothing is written before the changes are handled, so the transaction holds up no vacuum meanwhile.
    database.transaction(async (tx) => {
      const [lock] = await tx.query<{ taken: boolean }>(
        `select pg_try_advisory_xact_lock(hashtext('rollcall outbox'), hashtext($1)) as taken`,
        [name],
      )
      if (lock?.taken !== true) return 0
      const rows = await tx.query<{ id: number; change: Change }>(
        `select id, change from ${s}.outbox order by id limit ${Math.max(1, Math.trunc(limit))}`,
      )
      if (rows.length === 0) return 0
      await handle(rows.map(({ change }) => change))
      await tx.query(`delete from ${s}.outbox where id = any($1::text::bigint[])`, [
        `{${rows.map(({ id }) => id).join(',')}}`,
      ])
      return rows.length
    })
  try {
    for (let retryMs = pollMs; !signal.aborted; ) {
      try {
        const taken = await next()
        retryMs = pollMs
        if (taken < limit) await pause(pollMs, undefined, { signal }).catch(() => {})
      } catch (error) {
        failed(error)
        await pause(retryMs, undefined, { signal }).catch(() => {})
        retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2)
      }
    }
  } finally {
    await database.close()
  }
}
