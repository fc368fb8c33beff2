import type { Bindable, Database } from '../../db/database.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { countRows } from '../resources/counts.ts'
import { lockRoles } from './role-bindings.ts'

/** A change of rules, and who makes it, for the work that follows. */
export interface RulesChanged {
  /** There were no rules before, so writers may be under way that have seen none. */
  readonly begins: boolean
  /** There are none now. */
  readonly ends: boolean
  readonly actor: string
  readonly requestId: string
}

/** How far the work of one tenant is; the columns of `role_rule_work` say more. */
export interface RoleWork {
  readonly generation: number
  readonly actor: string
  readonly requestId: string
  readonly ending: boolean
  readonly after: string | null
  readonly small: boolean
}

/** What one step of the work has done. */
export interface RoleStep extends Pick<RoleWork, 'ending' | 'after'> {
  /** How many groups were checked. */
  readonly groups: number
  readonly problem: string | null
  readonly finished: boolean
}

/** How far a tenant's groups are in step with the rules. */
export interface RoleProgress {
  /** `waiting` for writers that began before there were rules. */
  readonly state: 'waiting' | 'applying' | 'done'
  /** How many groups there were at the beginning, null before the first step; and how many of them were checked. */
  readonly groups: number | null
  readonly groupsDone: number
  readonly since: Date
  readonly finishedAt: Date | null
  /** When the work continues after a failure. */
  readonly resumesAt: Date | null
  readonly problem: string | null
}

/** Work that waits for writers. A change of the rules meanwhile raises its generation. */
export interface WaitingWork {
  readonly tenantId: TenantId
  readonly generation: number
}

/** Work to be done behind the requests. */
export type DueWork =
  | { readonly kind: 'waiting' | 'tenant'; readonly id: TenantId }
  /** Its rules have ended, and the groups of its tenants give nothing by them any more. */
  | { readonly kind: 'environment'; readonly id: EnvironmentId }

const TENANTS_AT_ONCE = 1_000
const WAITING_AT_ONCE = 1_000
const DUE_AT_ONCE = 100
const NIL = '00000000-0000-0000-0000-000000000000'

/** Begins the work, in the transaction that changes a tenant's rules. Work that was under way begins again. */
export async function beginTenantWork(tx: Database, tenantId: TenantId, changed: RulesChanged): Promise<void> {
  await begin(tx, changed, 't.id = $4::uuid', [tenantId], 1)
  if (changed.ends) await tx.run('update tenants set ends_roles = true where id = $1::uuid', [tenantId])
}

/** The same for an environment's rules and its tenants without rules of their own. A change of those tenants' rules waits. */
export async function beginEnvironmentWork(
  tx: Database,
  environmentId: EnvironmentId,
  changed: RulesChanged,
): Promise<void> {
  if (changed.ends) await tx.run('update environments set ends_roles = true where id = $1::uuid', [environmentId])
  for (let after = NIL; ; ) {
    const where = `t.environment_id = $4::uuid and t.settings->'roleRules' is null and t.id > $5::uuid`
    const ids = await begin(tx, changed, where, [environmentId, after], TENANTS_AT_ONCE)
    if (ids.length < TENANTS_AT_ONCE) return
    after = ids.reduce((last, id) => (id > last ? id : last))
  }
}

async function begin(
  tx: Database,
  { begins, actor, requestId }: RulesChanged,
  where: string,
  which: readonly Bindable[],
  limit: number,
): Promise<string[]> {
  const rows = await tx.run<{ id: string }>(
    `insert into role_rule_work as w (tenant_id, environment_id, waits, actor, request_id)
     select t.id, t.environment_id, $1::boolean, $2::text, $3::text from tenants t where ${where}
     order by t.id limit ${Math.trunc(limit)}
     on conflict (tenant_id) do update set generation = w.generation + 1, waits = w.waits or excluded.waits, ending = false,
       after = null, groups = null, groups_done = 0, actor = excluded.actor, request_id = excluded.request_id,
       started_at = now(), due_at = now(), small = false, problem = null, finished_at = null
     returning tenant_id::text as id`,
    [begins, actor, requestId, ...which],
  )
  return rows.map(({ id }) => id)
}

/**
 * Locks a tenant's work and its roles until the end of the transaction. Undefined where there is no work now, or where another
 * instance does it.
 */
export async function takeRoleWork(tx: Database, tenantId: TenantId): Promise<RoleWork | undefined> {
  const [turn] = await tx.run<{ mine: boolean }>(
    `select pg_try_advisory_xact_lock(hashtextextended('role work ' || $1::text, 0)) as mine`,
    [tenantId],
  )
  if (turn?.mine !== true) return undefined
  await lockRoles(tx, tenantId)
  // The tenant before the work: a change of rules locks them in this order.
  await tx.run('select id::text from tenants where id = $1::uuid for no key update', [tenantId])
  const [work] = await tx.run<RoleWork>(
    `select w.generation, w.actor, w.request_id as "requestId", w.ending, w.after::text as after, w.small from role_rule_work w
     where w.tenant_id = $1::uuid and w.finished_at is null and not w.waits
       and exists (select 1 from tenants t where t.id = $1::uuid) for update of w`,
    [tenantId],
  )
  return work
}

/** Notes a step of the work that the transaction has locked. After the last step, groups give only what the rules say. */
export async function noteRoleStep(tx: Database, tenantId: TenantId, step: RoleStep): Promise<void> {
  const { ending, after, groups, problem, finished } = step
  await tx.run(
    `update role_rule_work w set ending = $2::boolean, after = $3::uuid, groups_done = w.groups_done + $4::int,
       groups = coalesce(w.groups, (
         select sum(n.total)::int from (${countRows('$1::uuid', `= 'Group'`)}) n
       ), 0),
       problem = coalesce(w.problem, $5::text), finished_at = case when $6::boolean then now() end
     where w.tenant_id = $1::uuid`,
    [tenantId, ending, after, groups, problem, finished],
  )
  if (finished) await tx.run('update tenants set ends_roles = false where id = $1::uuid and ends_roles', [tenantId])
}

/** Postpones a tenant's work. @param tooMuch the step took too long, so the next ones do one binding at a time */
export async function postponeRoleWork(
  db: Database,
  tenantId: TenantId,
  { seconds, tooMuch }: { readonly seconds: number; readonly tooMuch: boolean },
): Promise<void> {
  await db.run(
    `update role_rule_work set due_at = now() + make_interval(secs => $2::int), small = small or $3::boolean
     where tenant_id = $1::uuid and finished_at is null`,
    [tenantId, seconds, tooMuch],
  )
}

/** Deletes the work of a tenant that was deleted. */
export async function dropRoleWork(db: Database, tenantId: TenantId): Promise<void> {
  // Two statements, as the two tables are on different machines on Citus. A tenant that is gone never comes back.
  const there = await db.run('select 1 from tenants t where t.id = $1::uuid', [tenantId])
  if (there.length === 0) await db.run('delete from role_rule_work w where w.tenant_id = $1::uuid', [tenantId])
}

/** The work of all tenants that is due now. It reads two indexes, which are empty where there is none. */
export function dueRoleWork(db: Database): Promise<DueWork[]> {
  return db.run<DueWork>(
    `(select case when w.waits then 'waiting' else 'tenant' end as kind, w.tenant_id::text as id from role_rule_work w
      where w.finished_at is null and w.due_at <= now() order by w.due_at limit ${DUE_AT_ONCE})
     union all
     (select 'environment', e.id::text from environments e where e.ends_roles and not exists (
        select 1 from role_rule_work w where w.environment_id = e.id and w.finished_at is null
      ) limit ${DUE_AT_ONCE})`,
    [],
  )
}

/** Notes that no group gives a role by an environment's ended rules any more, unless there is work again. */
export async function endEnvironmentRoles(tx: Database, environmentId: EnvironmentId): Promise<void> {
  // Locked first and read in a second statement, which sees the work of a change of rules that was committed meanwhile.
  const held = await tx.run(
    'select e.id::text from environments e where e.id = $1::uuid and e.ends_roles for no key update skip locked',
    [environmentId],
  )
  if (held.length === 0) return
  const work = await tx.run(
    'select 1 from role_rule_work w where w.environment_id = $1::uuid and w.finished_at is null limit 1',
    [environmentId],
  )
  if (work.length > 0) return
  await tx.run('update environments e set ends_roles = false where e.id = $1::uuid', [environmentId])
}

/** Work that waits for writers. Read it before `writersEnd`, which waits for them. */
export function waitingRoleWork(db: Database, only: readonly TenantId[] | undefined): Promise<WaitingWork[]> {
  return db.run<WaitingWork>(
    `select w.tenant_id::text as "tenantId", w.generation from role_rule_work w
     where w.finished_at is null and w.waits and ($1::text is null or w.tenant_id = any($1::text::uuid[]))
     order by w.due_at limit ${WAITING_AT_ONCE}`,
    [only === undefined ? null : `{${only.join(',')}}`],
  )
}

/** Starts work whose writers have ended. */
export async function releaseRoleWork(db: Database, waiting: readonly WaitingWork[]): Promise<void> {
  if (waiting.length === 0) return
  await db.run(
    `update role_rule_work w set waits = false
     from jsonb_to_recordset($1::text::jsonb) as i("tenantId" uuid, generation int)
     where w.tenant_id = i."tenantId" and w.generation = i.generation and w.finished_at is null`,
    [JSON.stringify(waiting)],
  )
}

/** How far a tenant's work is; undefined where its rules were never changed. */
export async function roleProgressOf(db: Database, tenantId: TenantId): Promise<RoleProgress | undefined> {
  const [row] = await db.run<{
    state: RoleProgress['state']
    groups: number | null
    groupsDone: number
    since: number
    finished: number | null
    resumes: number | null
    problem: string | null
  }>(
    `select case when w.finished_at is not null then 'done' when w.waits then 'waiting' else 'applying' end as state,
       w.groups, least(w.groups_done, w.groups) as "groupsDone", (extract(epoch from w.started_at) * 1000)::float8 as since,
       (extract(epoch from w.finished_at) * 1000)::float8 as finished,
       case when w.due_at > now() then (extract(epoch from w.due_at) * 1000)::float8 end as resumes, w.problem
     from role_rule_work w where w.tenant_id = $1::uuid`,
    [tenantId],
  )
  if (row === undefined) return undefined
  const moment = (ms: number | null) => (ms === null ? null : new Date(ms))
  const { since, finished, resumes, groupsDone, ...rest } = row
  return {
    ...rest,
    groupsDone: groupsDone ?? 0,
    ...{ since: new Date(since), finishedAt: moment(finished), resumesAt: moment(resumes) },
  }
}

/** How many tenants of an environment have followed a change of rules, and since when the others are at work. */
export async function environmentRoleProgress(
  db: Database,
  environmentId: EnvironmentId,
): Promise<{ readonly tenants: number; readonly tenantsDone: number; readonly since: Date | null }> {
  const [row] = await db.run<{ tenants: number; done: number; since: number | null }>(
    `select count(*)::int as tenants, count(w.finished_at)::int as done,
       (extract(epoch from min(w.started_at) filter (where w.finished_at is null)) * 1000)::float8 as since
     from role_rule_work w where w.environment_id = $1::uuid`,
    [environmentId],
  )
  const { tenants = 0, done = 0, since = null } = row ?? {}
  return { tenants, tenantsDone: done, since: since === null ? null : new Date(since) }
}
