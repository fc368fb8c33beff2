import type { Database } from '../../db/database.ts'
import type { EnvironmentId } from '../../place-ids.ts'
import { FIRST_ID } from '../sql/ids.ts'

/** What grows old: the table of which each tenant has a row, the moment of the oldest there, and the setting that says for how long. */
const KINDS = {
  events: { table: 'event_logs', oldest: 'oldest_at', days: 'eventRetentionDays' },
  spans: { table: 'histories', oldest: 'oldest_end', days: 'historyRetentionDays' },
} as const

/** Environments with events, or spans of histories, older than they keep them: up to `limit`, after the one with the id `after`. */
export function environmentsWithOld(
  db: Database,
  kind: keyof typeof KINDS,
  defaultDays: number,
  after: EnvironmentId | undefined,
  limit: number,
): Promise<{ readonly id: EnvironmentId; readonly days: number }[]> {
  const { table, oldest, days } = KINDS[kind]
  const isOld = `o.${oldest} < now() - make_interval(days => x.days)`
  // One index look-up for each environment, however many tenants it has. Citus asks each machine once for all environments.
  const old = db.distributed
    ? `join (select o.environment_id, min(o.${oldest}) as ${oldest} from ${table} o where o.${oldest} is not null
         group by o.environment_id) o on o.environment_id = e.id and ${isOld}`
    : `cross join lateral (
       select 1 from ${table} o where o.environment_id = e.id and ${isOld} order by o.${oldest} limit 1
     ) o`
  return db.run(
    `select e.id::text, x.days from environments e
     cross join lateral (select coalesce((e.settings->>'${days}')::int, $1::int) as days offset 0) x
     ${old}
     where e.id > $2::uuid order by e.id limit ${Math.trunc(limit)}`,
    [defaultDays, after ?? FIRST_ID],
  )
}
