import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../db/database.ts'
import { LEAVER_TYPES_SQL } from '../../db/schema.ts'
import type { EventType } from '../../events/types.ts'
import type { TenantId } from '../../place-ids.ts'
import { type LeaverBrake, leaverBrake } from '../../tenancy/settings.ts'
import { addCounts, countsOf } from '../resources/counts.ts'
import { appendEvents, typeSql } from '../sql/append-events.ts'

/** Events examined in one transaction. */
const AT_ONCE = 1_000

/** The actor of what the gateway does by itself. The brake ignores its events: a kept user whose time ends has left before. */
const BY_ITSELF = 'rollcall'

/** A period in which a brake holds events. */
export interface Hold {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly since: number
  readonly until: number
  /** True after `until`. */
  readonly due: boolean
  /** It has ended, and its events are getting their positions. */
  readonly released: boolean
}

/** The part of a locked log's row that decides about its next events. */
export interface LogState {
  /** As stored; null where neither the tenant nor its environment has the setting. */
  readonly brake: unknown
  readonly hold: Hold | null
}

/** Whether the brake decides which of a tenant's events get their positions. */
export const isBraked = ({ brake, hold }: LogState): boolean =>
  hold !== null || (brake !== null && leaverBrake.parse(brake).mode !== 'off')

/** The columns of `event_logs l` that make a `Hold`. */
export const holdColumns = `l.hold_id::text as id, (extract(epoch from l.held_since) * 1000)::float8 as since,
  (extract(epoch from l.held_until) * 1000)::float8 as until, coalesce(l.held_until <= now(), false) as due,
  l.released_at is not null as released`
export type HoldRow = Omit<Hold, 'id'> & { readonly id: string | null }
export const holdIn = ({ id, since, until, due, released }: HoldRow): Hold | null =>
  id === null ? null : { id, since, until, due, released }

/** True of `event_logs l` with a hold that has ended or is due. */
export const holdIsOver = '(l.hold_id is not null and (l.released_at is not null or l.held_until <= now()))'
/** The mode in force, of `tenants t` and `environments s`. */
export const brakeMode = `coalesce(t.settings->'leaverBrake'->>'mode', s.settings->'leaverBrake'->>'mode', 'off')`

interface Candidate {
  readonly seq: number
  readonly resource: string
  /** It is an event by which people leave. */
  readonly leaves: boolean
  /** An event of the same resource is held. */
  readonly behind: boolean
  /** It changes nothing, and must not wait: the end of somebody's sessions. */
  readonly free: boolean
}

/**
 * The events, by `seq`, that get their positions now in a tenant with a brake. The caller's transaction holds the lock of the
 * log's row, so no other one decides about this tenant's events meanwhile. Events that are committed later wait for the next
 * call.
 *
 * When more people leave than the setting allows, the brake holds the events by which they leave. It also holds every later
 * event of the same resource, but never the end of somebody's sessions. When the hold has ended, the held events get their positions first, in the order of writing.
 */
export async function eventsThatPass(tx: Database, tenantId: TenantId, { brake, hold }: LogState): Promise<number[]> {
  const settings = brake === null ? undefined : leaverBrake.parse(brake)
  const mode = settings?.mode ?? 'off'
  const isOver = hold !== null && (hold.released || hold.due || mode !== 'hold')
  if (isOver && !hold.released) await endHold(tx, tenantId, { reason: hold.due ? 'time_limit' : 'switched_off' })
  const released = isOver ? await releasedEvents(tx, tenantId) : []
  // Later events come after all held ones.
  if (released.length === AT_ONCE) return released
  let holds = hold !== null && !isOver
  const letGo = new Set(released)
  const candidates = (await freshEvents(tx, tenantId, holds)).filter(({ seq }) => !letGo.has(seq))
  const all = [...released, ...candidates.map(({ seq }) => seq)]
  if (settings === undefined || mode === 'off') return all
  const told: number[] = []
  if (!holds && candidates.some(({ leaves }) => leaves)) {
    const found = await leaversOf(tx, tenantId, settings)
    if (isTooMany(found, settings)) {
      holds = mode === 'hold'
      told.push(await (holds ? beginHold : warn)(tx, tenantId, settings, found))
    }
  }
  if (!holds) return [...all, ...told]
  const resources = new Set<string>()
  const kept = candidates.filter(({ leaves, behind, free, resource }) => {
    if (free) return false
    if (leaves || behind) resources.add(resource)
    return resources.has(resource)
  })
  const held = new Set(kept.map(({ seq }) => seq))
  if (held.size > 0) await holdBack(tx, tenantId, [...held])
  return [...all.filter((seq) => !held.has(seq)), ...told]
}

/** Lets events wait for the end of the hold. What they change counts from now on as if they were numbered. */
async function holdBack(tx: Database, tenantId: TenantId, held: readonly number[]): Promise<void> {
  await tx.run(
    `with moved as (
       delete from waiting_events w where w.tenant_id = $1::uuid and w.seq = any($2::text::bigint[])
       returning w.tenant_id, w.seq, w.resource_type, w.total_delta, w.active_delta
     ),
     counted as (${addCounts('select * from moved')})
     insert into held_events (tenant_id, seq, resource_id)
     select $1::uuid, m.seq, e.resource_id from moved m cross join lateral (
       select e.resource_id from events e where e.tenant_id = $1::uuid and e.seq = m.seq limit 1
     ) e`,
    [tenantId, `{${held.join(',')}}`],
    { name: 'events-hold', prepare: false },
  )
}

function freshEvents(tx: Database, tenantId: TenantId, holds: boolean): Promise<Candidate[]> {
  const behind = `exists (select 1 from held_events h where h.tenant_id = $1::uuid and h.resource_id = e.resource_id)`
  return tx.run<Candidate>(
    `select w.seq::float8 as seq, e.resource_id::text as resource, ${holds ? behind : 'false'} as behind,
       e.type in ${LEAVER_TYPES_SQL} and e.actor <> '${BY_ITSELF}' as leaves,
       e.type = ${typeSql('user.sessions_revoked')} as free
     from waiting_events w cross join lateral (
       select e.resource_id, e.type, e.actor from events e where e.tenant_id = $1::uuid and e.seq = w.seq offset 0
     ) e where w.tenant_id = $1::uuid order by w.seq limit ${AT_ONCE}`,
    [tenantId],
    { prepare: false },
  )
}

/** The next events of a hold that has ended wait for their positions again; the last of them remove the hold. */
async function releasedEvents(tx: Database, tenantId: TenantId): Promise<number[]> {
  const rows = await tx.run<{ seq: number }>(
    `with released as (
       delete from held_events h where h.tenant_id = $1::uuid and h.seq = any(array(
         select n.seq from held_events n where n.tenant_id = $1::uuid order by n.seq limit ${AT_ONCE}
       )) returning h.seq
     ),
     waiting as (
       insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta)
       select $1::uuid, r.seq, e.resource_type, 0, 0 from released r cross join lateral (
         select e.resource_type from events e where e.tenant_id = $1::uuid and e.seq = r.seq limit 1
       ) e
     )
     select r.seq::float8 as seq from released r order by r.seq`,
    [tenantId],
    { prepare: false },
  )
  if (rows.length < AT_ONCE)
    await tx.run(
      `update event_logs l set hold_id = null, held_since = null, held_until = null, released_at = null
       where l.tenant_id = $1::uuid`,
      [tenantId],
    )
  return rows.map(({ seq }) => seq)
}

/** How many people have left, and how many users there were. */
export interface Leavers {
  /** People who were deactivated or deleted, lost a group or a role, or were in a deleted group; each counts once. */
  readonly leavers: number
  /** Active users, and the users who have left. */
  readonly users: number
}

/**
 * Counts the people who have left within the brake's window. The count begins anew when the brake has warned or a hold has
 * ended. A deleted group counts with the number of its members.
 */
export async function leaversOf(
  database: Database,
  tenantId: TenantId,
  { windowMinutes }: Pick<LeaverBrake, 'windowMinutes'>,
): Promise<Leavers> {
  const db = database.asTenant(tenantId)
  const [row] = await db.run<{ people: number; gone: number; in_groups: number }>(
    `with recent as materialized (
       select e.type, e.resource_id, e.changes from events e
       where e.tenant_id = $1::uuid and e.type in ${LEAVER_TYPES_SQL} and e.actor <> '${BY_ITSELF}'
         and e.occurred_at > now() - make_interval(mins => $2::int) and e.occurred_at > coalesce(
           (select l.leavers_from from event_logs l where l.tenant_id = $1::uuid), '-infinity')
     ),
     people as (
       select coalesce(m.value, r.resource_id::text) as id, r.type like 'user.%' as gone from recent r
       left join lateral json_array_elements_text(
         case when r.type not like 'user.%' then coalesce(r.changes::json->'members', r.changes::json->'users') end) m on true
       where r.type <> ${typeSql('group.deleted')}
     )
     select count(distinct p.id)::int as people, count(distinct p.id) filter (where p.gone)::int as gone,
       (select coalesce(sum((r.changes::json->>'memberCount')::int), 0)::int from recent r where r.type = ${typeSql('group.deleted')})
         as in_groups
     from people p`,
    [tenantId, windowMinutes],
    { prepare: false },
  )
  const { people, gone, in_groups } = row ?? { people: 0, gone: 0, in_groups: 0 }
  return { leavers: people + in_groups, users: gone + (await countsOf(db, { tenantId }).activeUsers()) }
}

function isTooMany({ leavers, users }: Leavers, { count, percent }: LeaverBrake): boolean {
  return (count !== undefined && leavers > count) || (percent !== undefined && leavers * 100 > percent * users)
}

/** Appends a warning that many people leave, and begins to count anew; returns the event's `seq`. */
async function warn(tx: Database, tenantId: TenantId, settings: LeaverBrake, found: Leavers): Promise<number> {
  await tx.run('update event_logs l set leavers_from = now() where l.tenant_id = $1::uuid', [tenantId])
  return appendBrakeEvent(tx, tenantId, uuidv7(), 'brake.warned', { ...found, ...limitsOf(settings) })
}

async function beginHold(tx: Database, tenantId: TenantId, settings: LeaverBrake, found: Leavers): Promise<number> {
  const id = uuidv7()
  const [row] = await tx.run<{ until: number }>(
    `with held as (
       update event_logs l set hold_id = $2::uuid, held_since = now(), released_at = null,
         held_until = now() + $3::float8 * interval '1 hour'
       where l.tenant_id = $1::uuid returning l.held_until
     )
     select (extract(epoch from h.held_until) * 1000)::float8 as until from held h`,
    [tenantId, id, settings.releaseAfterHours],
  )
  const heldUntil = new Date(row?.until ?? 0).toISOString()
  return appendBrakeEvent(tx, tenantId, id, 'brake.engaged', { ...found, ...limitsOf(settings), heldUntil })
}

const limitsOf = ({ count, percent, windowMinutes }: LeaverBrake) => ({ limit: { count, percent }, windowMinutes })

/** Why a hold ends, and who ends it; the gateway by default. */
export interface Ending {
  readonly reason: 'approved' | 'time_limit' | 'switched_off'
  readonly note?: string | undefined
  readonly actor?: string
  readonly requestId?: string | null
}

/**
 * Ends a hold: its events get their positions from now on, and the count of leavers begins anew. The caller's transaction
 * holds the lock of the log's row, and calls this once for each hold. Returns the number of held events.
 */
export async function endHold(
  transaction: Database,
  tenantId: TenantId,
  { reason, note, ...doer }: Ending,
): Promise<number> {
  const tx = transaction.asTenant(tenantId)
  const [row] = await tx.run<{ id: string; held: number }>(
    `with released as (
       update event_logs l set released_at = now(), leavers_from = now() where l.tenant_id = $1::uuid returning l.hold_id
     )
     select r.hold_id::text as id, (select count(*)::int from held_events h where h.tenant_id = $1::uuid) as held from released r`,
    [tenantId],
  )
  if (row === undefined) throw new Error('the log that was held is not there')
  await appendBrakeEvent(tx, tenantId, row.id, 'brake.released', { reason, note, events: row.held }, doer)
  return row.held
}

/** Appends the first event of a hold or a warning, or the second event of a hold. */
async function appendBrakeEvent(
  tx: Database,
  tenantId: TenantId,
  id: string,
  type: Extract<EventType, `brake.${string}`>,
  changes: object,
  { actor = BY_ITSELF, requestId = null }: Pick<Ending, 'actor' | 'requestId'> = {},
): Promise<number> {
  const [row] = await tx.run<{ seq: number }>(
    `with ${appendEvents({
      tenant: '$1::uuid',
      type,
      resourceType: `'Brake'`,
      resourceId: '$2::uuid',
      version: '$3::int',
      requestId: '$4::text',
      actor: '$5::text',
      changes: '$6::text',
    })}
     select seq::float8 as seq from logged`,
    [tenantId, id, type === 'brake.released' ? 2 : 1, requestId ?? BY_ITSELF, actor, JSON.stringify(changes)],
  )
  if (row === undefined) throw new Error('an event that was appended is not there')
  return row.seq
}
