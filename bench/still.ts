import { setTimeout as pause } from 'node:timers/promises'
import type postgres from 'postgres'

/** How far PostgreSQL's log of changes goes, and whether it stood still as long as was asked. */
export interface Still {
  readonly at: string
  readonly reached: boolean
}

/**
 * Waits until nothing has been written for `forMs`: until the gateway has nothing left to do behind its answers, such as numbering
 * events. Gives up after `withinMs`.
 */
export async function whenStill(sql: postgres.Sql, forMs: number, withinMs: number): Promise<Still> {
  const position = async () => {
    const [row] = await sql.unsafe<{ at: string }[]>('select pg_current_wal_insert_lsn()::text as at')
    return row?.at ?? ''
  }
  const begun = performance.now()
  let at = await position()
  let since = performance.now()
  while (performance.now() - since < forMs) {
    if (performance.now() - begun > withinMs) return { at, reached: false }
    await pause(20)
    const now = await position()
    if (now === at) continue
    at = now
    since = performance.now()
  }
  return { at, reached: true }
}
