import type { Adoption } from '../../tenancy/adoption.ts'
import type { EventColumns } from './append-events.ts'
import { NOW } from './now.ts'

// The parts of a statement that finds the accounts of users, and links the two or leaves them to a review. A user's values come as
// `claims` of the part `input`, which has `ord`, `id` and `external_id` beside.

/** Accounts that one value of a user is compared with. */
const MOST_ACCOUNTS = 20

/** The name of what two have in common, by its rank. Not out of an array: an update that sets an element ends a Citus coordinator. */
const byRank = (rank: string): string =>
  `case when ${rank} = 1 then 'externalId' when ${rank} = 2 then 'userName' else 'email' end`

/** Whether an account has a user who is there: a link outlives its user. */
export const isTaken = (tenant: string, a: string): string =>
  `exists (select 1 from resources u where u.tenant_id = ${tenant} and u.id = ${a}.user_id offset 0)`

/**
 * The parts `met`, accounts that have a value of a user, and `chosen`, the one account of a user that is the same person. A user
 * who has an account meets none. An account of another user, or one with another externalId, is never chosen by its names.
 */
export const metParts = (tenant: string): string => `wanted as materialized (
      select i.ord, i.id, i.external_id, w.rank, w.kind, w.value, w.proves
      from input i cross join lateral jsonb_to_recordset(i.claims) as w(rank int, kind text, value text, proves boolean)
      where not exists (select 1 from accounts o where o.tenant_id = ${tenant} and o.user_id = i.id offset 0)
    ),
    met as materialized (
      select x.ord, x.id, x.account_id, x.seen, min(x.rank) filter (where x.proven) as proof, min(x.rank) as rank from (
        select w.ord, w.id, w.rank, a.account_id, a.user_id as seen, w.proves and k.proves
          and (w.kind = 'id' or (a.external_id = w.external_id) is not false)
          and (a.user_id is null or not ${isTaken(tenant, 'a')}) as proven
        from wanted w cross join lateral (
          select k.account_id, k.proves from account_keys k
          where k.tenant_id = ${tenant} and k.kind = w.kind and k.value = w.value order by k.account_id limit ${MOST_ACCOUNTS}
        ) k cross join lateral (
          select a.account_id, a.user_id, a.external_id from accounts a
          where a.tenant_id = ${tenant} and a.account_id = k.account_id and a.merged_into is null offset 0
        ) a where not exists (
          select 1 from account_reviews v where v.tenant_id = ${tenant} and v.user_id = w.id and v.account_id = a.account_id
            and v.state = 'separate' offset 0
        )
      ) x group by x.ord, x.id, x.account_id, x.seen
    ),
    chosen as materialized (
      select distinct on (c.account_id) c.ord, c.id, c.account_id, c.seen, c.proof from (
        select m.*, min(m.proof) over (partition by m.ord) as best, count(*) over (partition by m.ord, m.proof) as rivals
        from met m where m.proof is not null
      ) c where c.proof = c.best and c.rivals = 1 order by c.account_id, c.ord
    )`

/** The account of the user whom the event `e` of the tenant is about; null where there is none. */
export const accountOfSubject = (e: string, tenant: string): string =>
  `case when ${e}.resource_type = 'User' then (
    select a.account_id from accounts a where a.tenant_id = ${tenant} and a.user_id = ${e}.resource_id
  ) end`

/** Condition that a policy has the user `i` of the part `input` refused; undefined where it refuses nobody. */
export function refusedSql({ match, doubt }: Pick<Adoption, 'match' | 'doubt'>, i: string): string | undefined {
  const isIn = (part: 'met' | 'chosen') => `exists (select 1 from ${part} x where x.ord = ${i}.ord)`
  if (match === 'refuse' && doubt === 'refuse') return isIn('met')
  if (match === 'refuse') return isIn('chosen')
  return doubt === 'refuse' ? `(${isIn('met')} and not ${isIn('chosen')})` : undefined
}

/**
 * The parts `linked`, accounts that get their users, and `queued`, which leaves all others that were met to a review. The users
 * are those of the part `created`.
 *
 * Where another request has linked the account meanwhile, nothing is linked and the user waits for the review.
 */
export const adoptionParts = (tenant: string, { match }: Pick<Adoption, 'match'>): string => `linked as (
      update accounts a set user_id = h.id, linked_by = ${byRank('h.proof')}, linked_at = ${NOW}, version = a.version + 1
      from chosen h join created c on c.id = h.id
      where ${match === 'queue' ? 'false and ' : ''}a.tenant_id = ${tenant} and a.account_id = h.account_id
        and a.account_id = any(array(select account_id from chosen)) and a.user_id is not distinct from h.seen
      returning a.account_id, a.id, a.version, a.user_id, a.linked_by
    ),
    queued as (
      insert into account_reviews (tenant_id, user_id, account_id, state, by, created_at)
      select ${tenant}, c.id, m.account_id, 'waiting', ${byRank('m.rank')}, ${NOW} from met m join created c on c.id = m.id
      where not exists (select 1 from linked l where l.user_id = c.id)
      on conflict (tenant_id, user_id, account_id) do nothing
      returning user_id, account_id
    )`

/** The events of `linked`. */
export const linkedEvents = (): Pick<
  EventColumns,
  'type' | 'resourceType' | 'resourceId' | 'version' | 'changes' | 'from'
> => ({
  type: 'account.linked',
  resourceType: `'Account'`,
  resourceId: 'l.id',
  version: 'l.version',
  changes: `json_build_object('account', l.account_id, 'user', l.user_id, 'by', l.linked_by)::text`,
  from: 'linked l',
})
