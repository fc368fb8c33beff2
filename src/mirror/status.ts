import type { MirrorDatabase } from './database.ts'
import { MirrorRefused, type MirrorStatus } from './types.ts'

/** A mirror writes at least every half minute. */
const BEHIND_MS = 120_000

/** How the mirror of a schema stands, by what it has written. @throws {MirrorRefused} where there is none */
export async function statusOf({ schema: s, query }: MirrorDatabase): Promise<MirrorStatus> {
  const rows = await query<Omit<MirrorStatus, 'state'> & { readonly isBegun: boolean }>(
    `select source, cursor is not null as "isBegun", seen_at as "seenAt", event_time as "eventTime", lag_ms as "lagMs", trouble,
       (select count(*) from ${s}.tenants where listed and reading <> wanted)::int as "tenantsToRead",
       (select count(*) from (select 1 from ${s}.outbox limit 10000) o)::int as outbox
     from ${s}.state`,
  ).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && (error.code === '42P01' || error.code === '3F000')) return []
    throw error
  })
  const [row] = rows
  if (row === undefined) throw new MirrorRefused(`there is no mirror in the schema ${s}`)
  const { isBegun, ...status } = row
  const time = (text: string | null) => (text === null ? null : new Date(text).toISOString())
  const seenAt = time(status.seenAt)
  const isBehind = seenAt === null || Date.now() - Date.parse(seenAt) > BEHIND_MS
  const state = isBehind ? 'behind' : !isBegun || status.tenantsToRead > 0 ? 'reading' : 'following'
  return { ...status, state, seenAt, eventTime: time(status.eventTime) }
}
