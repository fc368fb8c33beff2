import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'

/** A run in which the application posts all of its accounts. */
export interface AccountRun {
  readonly run: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly finishedAt: number | null
  readonly posted: number
  readonly gone: number
}

/** Runs are kept for so many days after their beginning. */
const KEPT_DAYS = 90

const columns = `run, (extract(epoch from started_at) * 1000)::float8 as "startedAt",
  (extract(epoch from finished_at) * 1000)::float8 as "finishedAt", posted, gone`

/** The runs of a tenant. */
export function accountRunsOf(database: Database, tenantId: TenantId) {
  const db = database.asTenant(tenantId)
  return {
    /** Begins the run with this name, or finds it; old ones go. */
    async begin(run: string): Promise<AccountRun> {
      const [row] = await db.run<AccountRun>(
        `with old as (
           delete from account_runs r where r.tenant_id = $1::uuid and r.started_at < now() - make_interval(days => ${KEPT_DAYS})
             and r.run <> $2::text
         ),
         begun as (
           insert into account_runs as r (tenant_id, run, started_at) values ($1::uuid, $2::text, now())
           on conflict (tenant_id, run) do update set run = excluded.run returning r.*
         )
         select ${columns} from begun`,
        [tenantId, run],
        { name: 'account-runs-begin' },
      )
      if (row === undefined) throw new Error('a run was not begun')
      return row
    },

    async find(run: string): Promise<AccountRun | undefined> {
      const sql = `select ${columns} from account_runs r where r.tenant_id = $1::uuid and r.run = $2::text`
      return (await db.run<AccountRun>(sql, [tenantId, run]))[0]
    },

    /** Counts what was posted and what has gone in it. */
    async count(run: string, { posted = 0, gone = 0 }: Partial<Pick<AccountRun, 'posted' | 'gone'>>): Promise<void> {
      await db.run(
        `update account_runs r set posted = r.posted + $3::int, gone = r.gone + $4::int
         where r.tenant_id = $1::uuid and r.run = $2::text`,
        [tenantId, run, posted, gone],
      )
    },

    /** Says that it has come to its end. */
    async finish(run: string): Promise<AccountRun | undefined> {
      const [row] = await db.run<AccountRun>(
        `with finished as (
           update account_runs r set finished_at = least(r.finished_at, now())
           where r.tenant_id = $1::uuid and r.run = $2::text returning r.*
         )
         select ${columns} from finished`,
        [tenantId, run],
      )
      return row
    },
  }
}
