import type { Database } from '../../db/database.ts'
import { REPAIR } from '../../events/event.ts'
import type { TenantId } from '../../place-ids.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { eventDocument } from '../resources/event-document.ts'
import { roleSources } from '../roles/roles.ts'
import type { RequestScope } from '../scope.ts'
import { appendEvents } from '../sql/append-events.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { NOW, nowAfter } from '../sql/now.ts'
import { Parameters } from '../sql/parameters.ts'

/**
 * How the application and the directory differ about a person.
 *
 * - `ghost`: the account is active, and its user is deactivated, gone, or was never there;
 * - `missing`: the user is active and has no account;
 * - `state`: the user is active, and the account is not;
 * - `roles`: the account has other roles than the user.
 */
export const DRIFT_KINDS = ['ghost', 'missing', 'state', 'roles'] as const
export type DriftKind = (typeof DRIFT_KINDS)[number]

/** Why an account is a ghost. */
export type GhostReason = 'deactivated' | 'deleted' | 'never-there'

/** One difference. */
export interface Difference {
  readonly kind: DriftKind
  readonly reason: GhostReason | null
  readonly account: string | null
  /** The id by which events name the account. */
  readonly eventId: string | null
  /** Of the directory, also where it is gone; null where there never was one. */
  readonly user: string | null
  readonly userName: string | null
  readonly displayName: string | null
  /** Of `roles`: keys that the user has and the account has not, and the other way round. */
  readonly lacks: readonly string[]
  readonly exceeds: readonly string[]
}

/** Some of the differences; `looked` counts what was compared, and `last` is where the next look begins. */
export interface DriftPage {
  readonly differences: readonly Difference[]
  readonly looked: number
  readonly last: string | undefined
}

/** Compares the accounts that the application has posted with the directory. Who waits for a review is no difference. */
export function driftOf(database: Database, tenantId: TenantId) {
  const db = database.asTenant(tenantId)
  const started = () => {
    const parameters = new Parameters()
    return { parameters, tenant: parameters.bind(tenantId, 'uuid') }
  }
  return {
    /** Looks at accounts in the order of their ids, after one of them. @param withRoles whether roles are compared */
    async ofAccounts(after: string, limit: number, withRoles: boolean): Promise<DriftPage> {
      const { parameters, tenant } = started()
      const rows = await db.run<AccountRow>(
        `select a.account_id as account, a.id::text as "eventId", a.user_id::text as user, a.user_name as "userName",
           a.display_name as "displayName", a.active and a.merged_into is null as active, r.id is not null as there, coalesce(r.active, true) as "userActive",
           case when a.active and a.user_id is null then exists (
             select 1 from account_reviews v where v.tenant_id = ${tenant} and v.account_id = a.account_id and v.state = 'waiting' offset 0
           ) else false end as waits, to_json(a.roles) as roles,
           ${withRoles ? `case when a.roles is not null and a.active and r.active is not false then ${rolesOfUser(tenant, 'r.id')} end` : 'null::json'} as has
         from (
           select a.* from accounts a where a.tenant_id = ${tenant} and a.account_id > ${parameters.bind(after, 'text')}
             order by a.account_id limit ${Math.trunc(limit)}
         ) a left join lateral (
           select r.id, r.active from resources r where r.tenant_id = ${tenant} and r.id = a.user_id offset 0
         ) r on true order by a.account_id`,
        parameters.values,
        { name: 'accounts-drift' },
      )
      const last = rows.length === limit ? rows.at(-1)?.account : undefined
      return { differences: rows.flatMap(differenceOf), looked: rows.length, last }
    },

    /** Looks at users in the order of their ids, after one of them, for those without an account. */
    async ofUsers(after: string | undefined, limit: number): Promise<DriftPage> {
      const { parameters, tenant } = started()
      const rows = await db.run<{ id: string; userName: string | null; displayName: string | null; missing: boolean }>(
        `select r.id::text, r.document::jsonb->>'userName' as "userName", r.document::jsonb->>'displayName' as "displayName",
           r.active is not false and not exists (
             select 1 from accounts a where a.tenant_id = ${tenant} and a.user_id = r.id offset 0
           ) and not exists (
             select 1 from account_reviews v where v.tenant_id = ${tenant} and v.user_id = r.id and v.state = 'waiting' offset 0
           ) as missing
         from (
           select r.id, r.active, r.document from resources r where r.tenant_id = ${tenant} and r.resource_type = 'User'
             and r.id > ${parameters.bind(after ?? FIRST_ID, 'uuid')} order by r.id limit ${Math.trunc(limit)}
         ) r order by r.id`,
        parameters.values,
        { name: 'accounts-drift' },
      )
      const differences = rows.flatMap(({ id, userName, displayName, missing }): Difference[] =>
        missing ? [{ ...NOTHING, kind: 'missing', user: id, userName, displayName }] : [],
      )
      return { differences, looked: rows.length, last: rows.length === limit ? rows.at(-1)?.id : undefined }
    },

    /**
     * Appends events that tell the application again what it has missed. The user gets a new version, so that no reader takes the event
     * for one that it knows. Roles are told of by their own events. Gives the number of events.
     */
    async repair(
      differences: readonly Difference[],
      user: ResourceType,
      { requestId, actor }: Pick<RequestScope, 'requestId' | 'actor'>,
    ): Promise<number> {
      const { parameters, tenant } = started()
      const rows = differences.flatMap(({ kind, reason, account, eventId, user }) =>
        kind === 'roles' ? [] : [{ type: TYPES[reason ?? kind], account, event_id: eventId, user_id: user }],
      )
      const moves = differences.flatMap(({ kind, user, lacks, exceeds }) =>
        kind !== 'roles'
          ? []
          : [
              ...lacks.map((key) => ({ key, user_id: user, type: 'role.assigned' })),
              ...exceeds.map((key) => ({ key, user_id: user, type: 'role.unassigned' })),
            ],
      )
      const common = { tenant, requestId: parameters.bind(requestId, 'text'), actor: parameters.bind(actor, 'text') }
      const active = (after: boolean) => `'"changed":[{"path":"active","before":${!after},"after":${after}}]}'`
      const [done] = await db.run<{ n: number }>(
        `with items as materialized (
           select * from jsonb_to_recordset(${parameters.json(rows)}) as i(type text, account text, event_id uuid, user_id uuid)
         ),
         moves as materialized (
           select * from jsonb_to_recordset(${parameters.json(moves)}) as m(key text, user_id uuid, type text)
         ),
         touched as (
           update resources r set version = r.version + 1, modified_at = ${nowAfter('r.modified_at')}
           where r.tenant_id = ${tenant} and r.id = any(array(select user_id from items where type <> 'user.deleted'))
             and (r.resource_type = 'User') is true
           returning r.id, r.resource_type, r.version, r.modified_at, r.document, r.active
         ),
         kept as (
           update kept_users k set version = k.version + 1
           where k.tenant_id = ${tenant} and k.id = any(array(select user_id from items where type = 'user.deleted'))
           returning k.id, k.version
         ),
         moved as (
           update roles o set version = o.version + 1 where o.tenant_id = ${tenant} and o.key = any(array(select key from moves))
           returning o.id, o.key, o.version
         ),
         ${appendEvents(
           {
             ...common,
             ...{ type: { sql: 'i.type' }, resourceType: `'User'`, resourceId: 'c.id', version: 'c.version' },
             occurredAt: 'c.modified_at',
             changes: `'${REPAIR}' || case i.type when 'user.created' then '"after":' || ${eventDocument([user], 'c', parameters)} || '}'
               when 'user.activated' then ${active(true)} else ${active(false)} end`,
             from: 'touched c join items i on i.user_id = c.id',
           },
           {
             ...common,
             ...{ type: 'user.deleted', resourceType: `'User'`, resourceId: 'coalesce(i.user_id, i.event_id)' },
             // What is gone has no version that could be counted up; that of a kept user goes on.
             version: `coalesce(k.version, (date_part('epoch', ${NOW}) * 1000)::bigint)`,
             changes: `'${REPAIR}"account":' || to_json(i.account)::text || '}'`,
             from: `items i left join kept k on k.id = i.user_id where i.type = 'user.deleted'`,
           },
           {
             ...common,
             ...{ type: { sql: 'm.type' }, resourceType: `'Role'`, resourceId: 'o.id', version: 'o.version' },
             changes: `'${REPAIR}"role":' || to_json(o.key)::text || ',"users":' || json_agg(m.user_id)::text || '}'`,
             from: 'moves m join moved o on o.key = m.key group by o.id, o.key, o.version, m.type',
           },
         )}
         select count(*)::int as n from logged`,
        parameters.values,
      )
      return done?.n ?? 0
    },
  }
}

/** What tells the application of a difference. */
const TYPES = {
  deactivated: 'user.deactivated',
  deleted: 'user.deleted',
  'never-there': 'user.deleted',
  missing: 'user.created',
  state: 'user.activated',
  ghost: 'user.deleted',
} as const satisfies Record<GhostReason | Exclude<DriftKind, 'roles'>, string>

interface AccountRow {
  readonly account: string
  readonly eventId: string
  readonly user: string | null
  readonly userName: string | null
  readonly displayName: string | null
  readonly active: boolean
  readonly there: boolean
  readonly userActive: boolean
  readonly waits: boolean
  readonly roles: readonly string[] | null
  readonly has: readonly string[] | null
}

const NOTHING = {
  ...{ reason: null, account: null, eventId: null, user: null, userName: null, displayName: null },
  ...{ lacks: [], exceeds: [] },
}

function differenceOf(row: AccountRow): Difference[] {
  const { account, eventId, user, userName, displayName, active, there, userActive, waits, roles, has } = row
  const common = { ...NOTHING, account, eventId, user, userName, displayName }
  if (active && !waits && (!there || !userActive)) {
    const reason = there ? 'deactivated' : user === null ? 'never-there' : 'deleted'
    return [{ ...common, kind: 'ghost', reason }]
  }
  if (!active && there && userActive) return [{ ...common, kind: 'state' }]
  if (roles === null || has === null) return []
  const lacks = has.filter((key) => !roles.includes(key))
  const exceeds = roles.filter((key) => !has.includes(key))
  return lacks.length + exceeds.length === 0 ? [] : [{ ...common, kind: 'roles', lacks, exceeds }]
}

/** Keys of the roles that a user has, whatever gives them, as JSON. */
const rolesOfUser = (tenant: string, user: string): string => `(
             select coalesce(json_agg(o.key order by o.key), '[]') from (
               select distinct s.role_id from ${roleSources(tenant, user)} s
             ) s cross join lateral (
               select o.key from roles o where o.tenant_id = ${tenant} and o.id = s.role_id offset 0
             ) o
           )`
