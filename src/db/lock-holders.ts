import type { Database } from './database.ts'

interface Blocker {
  readonly pid: number
  readonly application: string | null
  readonly user: string | null
  readonly state: string | null
  readonly seconds: number | null
  readonly table: string | null
}

/**
 * Who keeps a session waiting, and for which table. What others do is hidden from a user without rights for it.
 *
 * The server tells locks and waiting sessions apart, one after the other. A session that gives up in between has no row here, so no
 * row lacks its table.
 */
const BLOCKERS = `with waits as materialized (
    select relation::regclass::text as "table" from pg_locks where pid = $1::int and not granted limit 1
  )
  select b.pid, nullif(b.application_name, '') as application, b.usename as "user", b.state,
    extract(epoch from clock_timestamp() - b.xact_start)::int as seconds, waits."table"
  from waits, pg_stat_activity b where b.pid = any(pg_blocking_pids($1::int)) order by b.xact_start nulls last limit 1`

/** Looks every now and then who keeps a session waiting, since nobody can tell once it has given up. */
export function watchBlockers(database: Database, lockTimeoutMs: number) {
  let timer: NodeJS.Timeout | undefined
  let last: Blocker | undefined
  return {
    /** Begins to watch the session of this process. */
    of(pid: number): void {
      const look = async () => {
        const [blocker] = await database.run<Blocker>(BLOCKERS, [pid])
        last = blocker ?? last
      }
      timer = setInterval(() => void look().catch(() => {}), lockTimeoutMs / 4)
    },
    stop(): void {
      clearInterval(timer)
    },
    /** Whom the session waited for when that was last known, for the operator. */
    inWords(): string {
      if (last === undefined) return 'a lock'
      const { pid, application, user, state, seconds, table } = last
      const known = [
        application === null ? undefined : `application ${application}`,
        user === null ? undefined : `user ${user}`,
        state ?? undefined,
        seconds === null ? undefined : `in its transaction for ${seconds} s`,
      ].filter((word) => word !== undefined)
      const what = table === null ? 'a lock' : `a lock on ${table}`
      return `${what} that the server's process ${pid} holds (${known.join(', ')})`
    },
  }
}
