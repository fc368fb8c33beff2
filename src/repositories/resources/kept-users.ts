import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import type { RepositoryScope } from '../scope.ts'
import { appendEvents } from '../sql/append-events.ts'
import { NOW } from '../sql/now.ts'
import { Parameters } from '../sql/parameters.ts'

/** The names by which a returning user is recognised, in the form of `StoredForm`. */
export interface ComingBack {
  readonly uniqueKey: string | null
  readonly externalId: string | null
}

/** What a returning user keeps. */
export interface KeptUser {
  /** The version of the deletion; the next version is greater. */
  readonly version: number
  /** A timestamp as the database writes it. */
  readonly createdAt: string
}

/** The deleted users that a tenant keeps. */
export function keptUsersOf(db: Database, scope: RepositoryScope) {
  return {
    /**
     * The id of the kept user that each of these users is, by index. The two have the same externalId. If one of them has no
     * externalId, they have the same userName. Another externalId means another person with the same name. Of several kept
     * users the last deleted one counts.
     */
    async find(users: readonly ComingBack[]): Promise<Map<number, string>> {
      const parameters = new Parameters()
      const tenant = parameters.bind(scope.tenantId, 'uuid')
      const wanted = users.map(({ uniqueKey, externalId }, ord) => ({
        ord,
        unique_key: uniqueKey,
        external_id: externalId,
      }))
      const rows = await db.run<{ ord: number; id: string }>(
        `select i.ord, k.id::text
         from jsonb_to_recordset(${parameters.json(wanted)}) as i(ord int, unique_key text, external_id text)
         cross join lateral (
           select k.id from kept_users k where k.tenant_id = ${tenant} and k.kept_until > now()
             and (k.external_id = i.external_id
               or (k.unique_key = i.unique_key and (k.external_id is null or i.external_id is null)))
           order by k.external_id is not distinct from i.external_id desc, k.kept_until desc, k.id desc limit 1
         ) k`,
        parameters.values,
      )
      return new Map(rows.map(({ ord, id }) => [ord, id]))
    },

    /** Whether a user with this value is kept; the value is folded where letter case does not count. */
    async has(attribute: 'externalId' | 'userName' | 'email', value: string): Promise<boolean> {
      const meets = {
        externalId: 'k.external_id = $2::text',
        userName: 'k.unique_key = $2::text',
        email: '$2::text = any(k.emails)',
      }
      const rows = await db.run<{ id: string }>(
        `select k.id::text from kept_users k
         where k.tenant_id = $1::uuid and k.kept_until > now() and ${meets[attribute]} limit 1`,
        [scope.tenantId, value],
      )
      return rows.length > 0
    },

    /** Those of these ids that are kept. */
    async among(ids: readonly string[]): Promise<Set<string>> {
      const parameters = new Parameters()
      const tenant = parameters.bind(scope.tenantId, 'uuid')
      const rows = await db.run<{ id: string }>(
        `select k.id::text from kept_users k
         where k.tenant_id = ${tenant} and k.id = any(${parameters.array(ids, 'uuid')}) and k.kept_until > now()`,
        parameters.values,
      )
      return new Set(rows.map(({ id }) => id))
    },

    /** Deletes kept users, to be created anew in the same transaction. Those that are missing in the result were not kept any more. */
    async take(ids: readonly string[]): Promise<Map<string, KeptUser>> {
      const parameters = new Parameters()
      const tenant = parameters.bind(scope.tenantId, 'uuid')
      const rows = await db.run<KeptUser & { id: string }>(
        `with taken as (
           delete from kept_users k where k.tenant_id = ${tenant} and k.id = any(${parameters.array(ids, 'uuid')})
           returning k.id, k.version, k.created_at
         )
         select k.id::text, k.version::int, k.created_at::text as "createdAt" from taken k`,
        parameters.values,
      )
      return new Map(rows.map(({ id, ...kept }) => [id, kept]))
    },
  }
}

/** Users removed by one statement. */
const BATCH = 1_000
/** Tenants whose users one call removes, on Citus. */
const TENANTS_AT_ONCE = 100

/**
 * Removes the users of all tenants whose time in `kept_users` is over, with the event of their deletion, up to `BATCH`. Several
 * instances may do so at once. Gives whether there may be more.
 */
export async function removeExpiredUsers(database: Database): Promise<boolean> {
  if (!database.distributed) return removeExpired(database)
  // On Citus, a statement that changes rows is about one machine.
  const tenants = await database.run<{ id: TenantId }>(
    `select distinct k.tenant_id::text as id from kept_users k where k.kept_until <= now() limit ${TENANTS_AT_ONCE}`,
    [],
  )
  let more = tenants.length === TENANTS_AT_ONCE
  for (const { id } of tenants) more = (await removeExpired(database, id)) || more
  return more
}

/** @param ofTenant SQL of the tenant whose users these are; undefined for all tenants */
async function removeExpired(database: Database, ofTenant?: TenantId): Promise<boolean> {
  const and = ofTenant === undefined ? '' : 'tenant_id = $1::uuid and '
  const [row] = await database.run<{ n: number }>(
    `with gone as (
         delete from kept_users k using (
           select tenant_id, id from kept_users where ${and}kept_until <= now() order by kept_until limit ${BATCH}
           for update skip locked
         ) due
         where ${ofTenant === undefined ? '' : 'k.tenant_id = $1::uuid and '}k.tenant_id = due.tenant_id and k.id = due.id
         returning k.tenant_id, k.id, k.version, k.kept_until
       ),
       ${appendEvents({
         tenant: 'g.tenant_id',
         type: 'user.deleted',
         resourceType: `'User'`,
         resourceId: 'g.id',
         version: 'g.version + 1',
         requestId: `'rollcall'`,
         actor: `'rollcall'`,
         changes: `json_build_object('keptUntil', ${isoMoment('g.kept_until')})::text`,
         from: 'gone g',
       })}
       select count(*)::int as n from gone`,
    ofTenant === undefined ? [] : [ofTenant],
  )
  return row?.n === BATCH
}

/**
 * The parts of a deletion that keep the users in `removed x` for `days` days: the insertion, and the event's type and changes.
 * For the application these users are deactivated until the time is over.
 */
export function keeping(days: number, tenant: string, parameters: Parameters) {
  const until = `${NOW} + make_interval(days => ${parameters.bind(days, 'int')})`
  return {
    kept: `kept as (
          insert into kept_users (tenant_id, id, unique_key, external_id, emails, version, created_at, kept_until)
          select ${tenant}, x.id, x.unique_key, x.external_id, array(
            select e.value->>'value' from search_documents s
            cross join lateral jsonb_array_elements(s.search #> array[${tenant}::text, 'emails']) e
            where s.tenant_id = ${tenant} and s.resource_type = x.resource_type and s.resource_id = x.id
              and e.value->>'value' is not null
            group by e.value->>'value' order by bool_or(e.value->'primary' = 'true') desc nulls last, 1
          ), x.version + 1, x.created_at, ${until} from removed x
        ),`,
    event: 'user.deactivated' as const,
    changes: `json_build_object('changed', json_build_array(
          json_build_object('path', 'active', 'before', x.active, 'after', false)), 'keptUntil', ${isoMoment(until)})::text`,
  }
}

const isoMoment = (moment: string): string => `to_char((${moment}) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
