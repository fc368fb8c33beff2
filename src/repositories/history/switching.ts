import type { Database } from '../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { arrayText } from '../sql/parameters.ts'
import { beginAnew } from './gaps.ts'
import { takeHistory } from './histories.ts'

// The setting `history` decides whether a tenant has a history. A history that is switched off stays and answers for its time. Switched
// on again, it goes on where it was, if the log still has all that happened since; else there is a gap, and it begins with a new picture.

/** Tenants that follow a changed setting in one transaction; on Citus a statement is about one machine. */
const TENANTS_AT_ONCE = 100

/** Condition that `tenants t` of `environments e` have the setting on. */
const IS_ON = `coalesce((t.settings->>'history')::boolean, (e.settings->>'history')::boolean, false)`

/** Switches the histories of some tenants on or off, as their settings say. */
export async function followHistorySetting(tx: Database, tenants: readonly TenantId[]): Promise<void> {
  if (tx.distributed) for (const id of tenants) await follow(tx, '= $1::uuid', id)
  else if (tenants.length > 0) await follow(tx, '= any($1::text::uuid[])', arrayText(tenants, 'uuid'))
}

async function follow(tx: Database, which: string, ids: string): Promise<void> {
  // A tenant that is being deleted is waited for: then it is gone.
  await tx.run(`select t.id::text from tenants t where t.id ${which} order by t.id for key share of t`, [ids])
  const rows = await tx.run<{
    id: TenantId
    environmentId: EnvironmentId
    isOn: boolean
    head: number
    trimmed: number
  }>(
    `select t.id::text as id, t.environment_id::text as "environmentId", ${IS_ON} as "isOn",
       coalesce(l.head, 0)::float8 as head, coalesce(l.trimmed, 0)::float8 as trimmed
     from tenants t join environments e on e.id = t.environment_id left join event_logs l on l.tenant_id = t.id
     where t.id ${which}`,
    [ids],
    { prepare: false },
  )
  for (const { id, environmentId, isOn, head, trimmed } of rows) {
    if (!isOn) {
      await tx.run(
        'update histories h set ended_at = now() where h.tenant_id = $1::uuid and h.ended_at is null returning 1',
        [id],
      )
      continue
    }
    const begun = await tx.run(
      `insert into histories (tenant_id, environment_id, phase, position, part, begun_at)
       values ($1::uuid, $2::uuid, 'picture', $3::bigint, 'resources', now()) on conflict do nothing returning 1`,
      [id, environmentId, head],
    )
    if (begun.length === 0) await resume(tx, id, head, trimmed)
  }
}

async function resume(tx: Database, id: TenantId, head: number, trimmed: number): Promise<void> {
  const history = await takeHistory(tx, id, true)
  if (history === undefined || history.endedAt === null) return
  if (history.position < trimmed) return beginAnew(tx, id, history, history.endedAt)
  await tx.run('update histories h set ended_at = null where h.tenant_id = $1::uuid', [id])
  await tx.run(
    'insert into waiting_histories (tenant_id, position) values ($1::uuid, $2::bigint) on conflict do nothing',
    [id, head],
  )
}

/** Notes that an environment's setting was changed: `switchStep` has its tenants follow. */
export async function noteHistorySwitch(tx: Database, environmentId: EnvironmentId): Promise<void> {
  await tx.run(
    `insert into history_switches as s (environment_id) values ($1::uuid)
     on conflict (environment_id) do update set after = null`,
    [environmentId],
  )
}

/** Has some more tenants of an environment with a changed setting follow it. Gives whether there may be more. */
export async function switchStep(db: Database): Promise<boolean> {
  return db.transaction(async (tx) => {
    const [work] = await tx.run<{ environmentId: EnvironmentId; after: string | null }>(
      `select s.environment_id::text as "environmentId", s.after::text as after from history_switches s
       order by s.environment_id limit 1 for update skip locked`,
      [],
      { name: 'history-due' },
    )
    if (work === undefined) return false
    const { environmentId, after } = work
    const tenants = await tx.run<{ id: TenantId }>(
      `select t.id::text as id from tenants t where t.environment_id = $1::uuid and t.id > $2::uuid
       order by t.environment_id, t.id limit ${TENANTS_AT_ONCE}`,
      [environmentId, after ?? FIRST_ID],
    )
    await followHistorySetting(
      tx,
      tenants.map(({ id }) => id),
    )
    const last = tenants.length < TENANTS_AT_ONCE ? undefined : tenants.at(-1)
    if (last === undefined)
      await tx.run('delete from history_switches s where s.environment_id = $1::uuid', [environmentId])
    else
      await tx.run('update history_switches s set after = $2::uuid where s.environment_id = $1::uuid', [
        environmentId,
        last.id,
      ])
    return true
  })
}
