import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { NOW } from '../sql/now.ts'
import { Parameters } from '../sql/parameters.ts'

/** An account as the application posts it. */
export interface PostedAccount {
  /** The application's own id. */
  readonly id: string
  readonly externalId: string | null
  readonly userName: string | null
  readonly displayName: string | null
  /** The primary one first. */
  readonly addresses: readonly { readonly value: string; readonly verified: boolean }[]
  readonly active: boolean
  /** Keys of roles; null where the application does not say. */
  readonly roles: readonly string[] | null
}

/** By what an account is found; see `account_keys`. */
export interface AccountKey {
  readonly kind: 'id' | 'name'
  readonly value: string
  readonly proves: boolean
}

/** What became of accounts that were posted. */
export interface PostedCounts {
  readonly created: number
  readonly changed: number
}

/** The accounts that the application posts. */
export function postedAccountsOf(database: Database, tenantId: TenantId) {
  const db = database.asTenant(tenantId)
  return {
    /**
     * Stores accounts with their keys, each id once in the list. An account that is there is brought to what is posted now; its
     * link and a decision about it stay.
     */
    async store(
      accounts: readonly (PostedAccount & { readonly keys: readonly AccountKey[] })[],
    ): Promise<PostedCounts> {
      const parameters = new Parameters()
      const tenant = parameters.bind(tenantId, 'uuid')
      const rows = accounts.map(({ id, externalId, userName, displayName, addresses, active, roles, keys }) => ({
        ...{ account_id: id, external_id: externalId, user_name: userName, display_name: displayName },
        ...{ addresses, active, roles, keys },
      }))
      const [done] = await db.run<PostedCounts>(
        `with held as materialized (
           select t.id from tenants t where t.id = ${tenant} and not t.deleting for key share
         ),
         input as materialized (
           select i.* from held cross join jsonb_to_recordset(${parameters.json(rows)}) as i(account_id text, external_id text,
             user_name text, display_name text, addresses jsonb, active boolean, roles text[], keys jsonb)
         ),
         stored as (
           insert into accounts as a (tenant_id, account_id, external_id, user_name, display_name, addresses, active, roles, posted_at)
           select ${tenant}, i.account_id, i.external_id, i.user_name, i.display_name, i.addresses, i.active, i.roles, ${NOW}
           from input i order by i.account_id
           on conflict (tenant_id, account_id) do update set external_id = excluded.external_id, user_name = excluded.user_name,
             display_name = excluded.display_name, addresses = excluded.addresses, active = excluded.active,
             roles = excluded.roles, posted_at = excluded.posted_at
           returning a.account_id, a.xmax = 0 as made
         ),
         unkeyed as (
           delete from account_keys k using input i where k.tenant_id = ${tenant} and k.account_id = i.account_id
             and k.account_id = any(array(select account_id from input)) and not exists (
               select 1 from jsonb_to_recordset(i.keys) as n(kind text, value text) where n.kind = k.kind and n.value = k.value
             )
         ),
         keyed as (
           insert into account_keys as k (tenant_id, kind, value, account_id, proves)
           select ${tenant}, n.kind, n.value, i.account_id, n.proves from input i
           cross join lateral jsonb_to_recordset(i.keys) as n(kind text, value text, proves boolean) order by n.kind, n.value, i.account_id
           on conflict (tenant_id, kind, value, account_id) do update set proves = excluded.proves
           where k.proves is distinct from excluded.proves
         )
         select count(*) filter (where s.made)::int as created, count(*) filter (where not s.made)::int as changed from stored s`,
        parameters.values,
        { name: 'accounts-store' },
      )
      return done ?? { created: 0, changed: 0 }
    },

    /** Deletes accounts that were last posted before a moment, up to `limit` in the order of their ids. Gives the last id, if there may be more. */
    async endOlder(before: Date, after: string, limit: number): Promise<{ gone: number; next: string | undefined }> {
      const [done] = await db.run<{ gone: number; looked: number; last: string | null }>(
        `with looked as materialized (
           select a.account_id, a.posted_at < $2::text::timestamptz as old from accounts a
           where a.tenant_id = $1::uuid and a.account_id > $3::text order by a.account_id limit ${Math.trunc(limit)}
         ),
         gone as (
           delete from accounts a where a.tenant_id = $1::uuid and a.account_id = any(array(select account_id from looked where old))
             and a.posted_at < $2::text::timestamptz
           returning a.account_id
         ),
         unkeyed as (
           delete from account_keys k where k.tenant_id = $1::uuid and k.account_id = any(array(select account_id from gone))
         ),
         unreviewed as (
           delete from account_reviews v where v.tenant_id = $1::uuid and v.account_id = any(array(select account_id from gone))
         )
         select (select count(*) from gone)::int as gone, (select count(*) from looked)::int as looked,
           (select max(account_id) from looked) as last`,
        [tenantId, before.toISOString(), after],
        { name: 'accounts-end' },
      )
      const { gone, looked, last } = done ?? { gone: 0, looked: 0, last: null }
      return { gone, next: looked === limit ? (last ?? undefined) : undefined }
    },
  }
}
