import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import type { SameBy } from '../../tenancy/adoption.ts'
import type { RequestScope } from '../scope.ts'
import { isTaken } from '../sql/adoption-parts.ts'
import { appendEvents, type EventColumns } from '../sql/append-events.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { NOW } from '../sql/now.ts'
import { Parameters } from '../sql/parameters.ts'

/** An account that a user may have. */
export interface Candidate {
  readonly account: string
  readonly by: SameBy
  readonly userName: string | null
  readonly displayName: string | null
  readonly addresses: readonly { readonly value: string; readonly verified: boolean }[]
  readonly active: boolean
  /** The user who has the account already; null where none has. */
  readonly userId: string | null
}

/** A user who waits for a decision. */
export interface ReviewItem {
  readonly id: string
  /** JSON text of the user's attributes. */
  readonly document: string
  readonly active: boolean | null
  readonly candidates: readonly Candidate[]
}

/** A user and an account. */
export interface Pair {
  readonly user: string
  readonly account: string
}

/** Waiting users are counted up to here. */
export const MOST_COUNTED = 100_000
/** Candidates that are shown of one user. */
const MOST_CANDIDATES = 50

type Asking = Pick<RequestScope, 'requestId' | 'actor'>

/** Which users and accounts wait for a decision, and the decisions. */
export function accountReviewsOf(database: Database, tenantId: TenantId) {
  const db = database.asTenant(tenantId)
  const started = () => {
    const parameters = new Parameters()
    return { parameters, tenant: parameters.bind(tenantId, 'uuid') }
  }
  const common = (parameters: Parameters, tenant: string, { requestId, actor }: Asking) => ({
    ...{ tenant, requestId: parameters.bind(requestId, 'text'), actor: parameters.bind(actor, 'text') },
    ...{ resourceType: `'Account'`, resourceId: 'l.id', version: 'l.version' },
  })
  return {
    /** Users who wait, in the order of their ids, after the one with the id `after`; those who are gone are left out. */
    async list({
      after,
      limit,
      only,
    }: {
      after?: string | undefined
      limit: number
      only?: string | undefined
    }): Promise<{ items: ReviewItem[]; next: string | undefined }> {
      const { parameters, tenant } = started()
      const one = only === undefined ? '' : `and v.user_id = ${parameters.bind(only, 'uuid')}`
      const rows = await db.run<Omit<ReviewItem, 'candidates'> & { candidates: string; gone: boolean }>(
        `select w.user_id::text as id, r.document, r.active, r.id is null as gone, c.candidates from (
           select distinct v.user_id from account_reviews v
           where v.tenant_id = ${tenant} and v.state = 'waiting' and v.user_id > ${parameters.bind(after ?? FIRST_ID, 'uuid')} ${one}
           order by v.user_id limit ${Math.trunc(limit)}
         ) w left join lateral (
           select r.id, r.document, r.active from resources r where r.tenant_id = ${tenant} and r.id = w.user_id offset 0
         ) r on true cross join lateral (
           select coalesce(json_agg(json_build_object('account', a.account_id, 'by', v.by, 'userName', a.user_name,
             'displayName', a.display_name, 'addresses', a.addresses, 'active', a.active,
             'userId', case when ${isTaken(tenant, 'a')} then a.user_id end) order by a.account_id), '[]')::text as candidates
           from (
             select v.account_id, v.by from account_reviews v
             where v.tenant_id = ${tenant} and v.user_id = w.user_id and v.state = 'waiting' order by v.account_id limit ${MOST_CANDIDATES}
           ) v cross join lateral (
             select a.* from accounts a where a.tenant_id = ${tenant} and a.account_id = v.account_id offset 0
           ) a
         ) c order by w.user_id`,
        parameters.values,
        { name: 'accounts-review' },
      )
      const items = rows
        .filter(({ gone }) => !gone)
        .map(({ id, document, active, candidates }) => ({
          ...{ id, document, active, candidates: JSON.parse(candidates) as Candidate[] },
        }))
      return { items, next: rows.length === limit ? rows.at(-1)?.id : undefined }
    },

    /** How many users wait, up to `MOST_COUNTED`. */
    async count(): Promise<number> {
      const [row] = await db.run<{ n: number }>(
        `select count(*)::int as n from (
           select distinct v.user_id from account_reviews v where v.tenant_id = $1::uuid and v.state = 'waiting' limit ${MOST_COUNTED}
         ) x`,
        [tenantId],
      )
      return row?.n ?? 0
    },

    /** Links users to accounts, where both are there and neither is linked. Gives the pairs that are linked now. */
    async link(pairs: readonly Pair[], asking: Asking): Promise<Pair[]> {
      const { parameters, tenant } = started()
      return db.run<Pair>(
        `with pairs as materialized (
           select * from jsonb_to_recordset(${parameters.json(pairs)}) as p("user" uuid, account text)
         ),
         linked as (
           update accounts a set user_id = p.user, linked_by = 'review', linked_at = ${NOW}, version = a.version + 1
           from pairs p where a.tenant_id = ${tenant} and a.account_id = p.account
             and a.account_id = any(array(select account from pairs)) and a.merged_into is null
             and (a.user_id is null or not ${isTaken(tenant, 'a')})
             and exists (select 1 from resources u where u.tenant_id = ${tenant} and u.id = p.user and u.resource_type = 'User' offset 0)
             and not exists (select 1 from accounts o where o.tenant_id = ${tenant} and o.user_id = p.user offset 0)
           returning a.account_id, a.id, a.version, a.user_id, a.linked_by
         ),
         settled as (
           delete from account_reviews v where v.tenant_id = ${tenant} and v.user_id = any(array(select user_id from linked))
             and v.state = 'waiting'
         ),
         ${appendEvents({
           ...common(parameters, tenant, asking),
           type: 'account.linked',
           changes: `json_build_object('account', l.account_id, 'user', l.user_id, 'by', l.linked_by)::text`,
           from: 'linked l',
         })}
         select l.user_id::text as user, l.account_id as account from linked l`,
        parameters.values,
      )
    },

    /** Says of users and accounts that they are not the same person; ends the links of those that are linked. Gives the pairs that are there. */
    async separate(pairs: readonly Pair[], asking: Asking): Promise<Pair[]> {
      const { parameters, tenant } = started()
      return db.run<Pair>(
        `with pairs as materialized (
           select p.* from jsonb_to_recordset(${parameters.json(pairs)}) as p("user" uuid, account text)
           where exists (select 1 from accounts a where a.tenant_id = ${tenant} and a.account_id = p.account offset 0)
             and exists (select 1 from resources u where u.tenant_id = ${tenant} and u.id = p.user and u.resource_type = 'User' offset 0)
         ),
         unlinked as (
           update accounts a set user_id = null, linked_by = null, linked_at = null, version = a.version + 1
           from pairs p where a.tenant_id = ${tenant} and a.account_id = p.account
             and a.account_id = any(array(select account from pairs)) and a.user_id = p.user
           returning a.account_id, a.id, a.version, p.user as user_id
         ),
         parted as (
           insert into account_reviews as v (tenant_id, user_id, account_id, state, by, created_at)
           select distinct ${tenant}, p.user, p.account, 'separate', 'userName', ${NOW} from pairs p
           on conflict (tenant_id, user_id, account_id) do update set state = 'separate'
         ),
         ${appendEvents({
           ...common(parameters, tenant, asking),
           type: 'account.unlinked',
           changes: `json_build_object('account', l.account_id, 'user', l.user_id)::text`,
           from: 'unlinked l',
         })}
         select p.user::text as user, p.account from pairs p`,
        parameters.values,
      )
    },

    /** Merges accounts without a user into another one. Gives those that are merged now. */
    async merge(accounts: readonly string[], into: string, asking: Asking): Promise<string[]> {
      const { parameters, tenant } = started()
      const target = parameters.bind(into, 'text')
      const rows = await db.run<{ account: string }>(
        `with merged as (
           update accounts a set merged_into = ${target}, user_id = null, linked_by = null, linked_at = null, version = a.version + 1
           where a.tenant_id = ${tenant} and a.account_id = any(${parameters.array(accounts, 'text')})
             and (a.user_id is null or not ${isTaken(tenant, 'a')})
           returning a.account_id, a.id, a.version
         ),
         settled as (
           delete from account_reviews v where v.tenant_id = ${tenant} and v.account_id = any(array(select account_id from merged))
             and v.state = 'waiting'
         ),
         ${appendEvents({
           ...common(parameters, tenant, asking),
           type: 'account.merged',
           changes: `json_build_object('account', l.account_id, 'into', ${target})::text`,
           from: 'merged l',
         } satisfies EventColumns)}
         select l.account_id as account from merged l`,
        parameters.values,
      )
      return rows.map(({ account }) => account)
    },
  }
}
