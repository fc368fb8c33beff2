import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import type { Adoption, Claim } from '../../tenancy/adoption.ts'
import { ofDocuments } from '../query/matching-sql.ts'
import type { RequestScope } from '../scope.ts'
import { adoptionParts, isTaken, linkedEvents, metParts } from '../sql/adoption-parts.ts'
import { appendEvents } from '../sql/append-events.ts'
import { Parameters } from '../sql/parameters.ts'

/** A user of the directory who may be the same person as an account. */
export interface UserToMatch {
  readonly id: string
  /** JSON text of the attributes. */
  readonly document: string
}

/** Users that are looked at for one value of an account. */
const MOST_USERS = 20

/** Compares users of the directory with accounts, as a create does with a new user. */
export function matchingOf(database: Database, tenantId: TenantId) {
  const db = database.asTenant(tenantId)
  return {
    /** Users without an account who have a value of one of these accounts, as far as those have no user. */
    candidates(accountIds: readonly string[]): Promise<UserToMatch[]> {
      const parameters = new Parameters()
      const tenant = parameters.bind(tenantId, 'uuid')
      return db.run<UserToMatch>(
        `with mine as materialized (
           select k.kind, k.value from unnest(${parameters.array(accountIds, 'text')}) as w(account_id) cross join lateral (
             select a.account_id, a.user_id from accounts a
             where a.tenant_id = ${tenant} and a.account_id = w.account_id and a.merged_into is null offset 0
           ) a cross join lateral (
             select k.kind, k.value from account_keys k where k.tenant_id = ${tenant} and k.account_id = a.account_id offset 0
           ) k where a.user_id is null or not ${isTaken(tenant, 'a')}
         ),
         found as materialized (
           select r.id from mine m cross join lateral (
             select r.id from resources r where r.tenant_id = ${tenant} and r.external_id = m.value and (r.resource_type = 'User') is true
             order by r.id limit ${MOST_USERS}
           ) r where m.kind = 'id'
           union
           select r.id from mine m cross join lateral (
             select r.id from resources r where r.tenant_id = ${tenant} and r.resource_type = 'User' and r.unique_key = m.value offset 0
           ) r where m.kind = 'name'
           union
           select s.resource_id from mine m cross join lateral (
             select s.resource_id from search_documents s where ${ofDocuments([`s.tenant_id = ${tenant}`, `s.resource_type = 'User'`], db.distributed).join(' and ')}
               and s.search @> jsonb_build_object(${tenant}::text, jsonb_build_object('emails',
                 jsonb_build_array(jsonb_build_object('value', m.value)))) limit ${MOST_USERS} offset 0
           ) s where m.kind = 'name'
         )
         select r.id::text, r.document from found f cross join lateral (
           select r.id, r.document from resources r where r.tenant_id = ${tenant} and r.id = f.id and (r.resource_type = 'User') is true offset 0
         ) r where not exists (select 1 from accounts o where o.tenant_id = ${tenant} and o.user_id = r.id offset 0)`,
        parameters.values,
        { name: 'accounts-candidates' },
      )
    },

    /** Links users to their accounts, or leaves them to a review. Nobody is refused, since they are there. */
    async match(
      users: readonly { readonly id: string; readonly externalId: string | null; readonly claims: readonly Claim[] }[],
      policy: Adoption,
      { requestId, actor }: Pick<RequestScope, 'requestId' | 'actor'>,
    ): Promise<{ linked: number; queued: number }> {
      const parameters = new Parameters()
      const tenant = parameters.bind(tenantId, 'uuid')
      const rows = users.map(({ id, externalId, claims }, ord) => ({ ord, id, external_id: externalId, claims }))
      const match = policy.match === 'adopt' ? 'adopt' : 'queue'
      const [done] = await db.run<{ linked: number; queued: number }>(
        `with input as materialized (
           select * from jsonb_to_recordset(${parameters.json(rows)}) as i(ord int, id uuid, external_id text, claims jsonb)
         ),
         ${metParts(tenant)},
         created as materialized (
           select r.id from input i cross join lateral (
             select r.id from resources r where r.tenant_id = ${tenant} and r.id = i.id offset 0
           ) r
         ),
         ${adoptionParts(tenant, { match })},
         settled as (
           delete from account_reviews v where v.tenant_id = ${tenant} and v.user_id = any(array(select user_id from linked))
             and v.state = 'waiting'
         ),
         ${appendEvents({
           ...{ tenant, requestId: parameters.bind(requestId, 'text'), actor: parameters.bind(actor, 'text') },
           ...linkedEvents(),
         })}
         select (select count(*) from linked)::int as linked, (select count(*) from queued)::int as queued`,
        parameters.values,
        { name: 'accounts-match' },
      )
      return done ?? { linked: 0, queued: 0 }
    },
  }
}
