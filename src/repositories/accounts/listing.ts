import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { isTaken } from '../sql/adoption-parts.ts'
import type { ListPage } from '../sql/lists.ts'
import { Parameters } from '../sql/parameters.ts'
import type { PostedAccount } from './posted.ts'

/** An account as it is stored, with the user to whom it belongs. */
export interface StoredAccount extends PostedAccount {
  /** Of the directory; null where there is none, or none any more. */
  readonly userId: string | null
  readonly linkedBy: string | null
  /** Milliseconds since 1970. */
  readonly linkedAt: number | null
  readonly postedAt: number
  readonly mergedInto: string | null
}

/** The accounts of a tenant, for people and programs that look. */
export function accountsOf(database: Database, tenantId: TenantId) {
  const db = database.asTenant(tenantId)
  return {
    /** Accounts in the order of their ids; the one of a user, where that is asked for. */
    list({ after, limit, user, account }: ListPage & { user?: string | undefined; account?: string | undefined }) {
      const parameters = new Parameters()
      const tenant = parameters.bind(tenantId, 'uuid')
      const conditions = [
        ...(user === undefined ? [] : [`and a.user_id = ${parameters.bind(user, 'uuid')}`]),
        ...(account === undefined ? [] : [`and a.account_id = ${parameters.bind(account, 'text')}`]),
      ]
      return db.run<StoredAccount>(
        `select a.account_id as id, a.external_id as "externalId", a.user_name as "userName", a.display_name as "displayName",
           a.addresses, a.active, to_json(a.roles) as roles, l.user_id::text as "userId",
           case when l.user_id is not null then a.linked_by end as "linkedBy",
           case when l.user_id is not null then (extract(epoch from a.linked_at) * 1000)::float8 end as "linkedAt",
           (extract(epoch from a.posted_at) * 1000)::float8 as "postedAt", a.merged_into as "mergedInto"
         from (
           select a.* from accounts a where a.tenant_id = ${tenant} and a.account_id > ${parameters.bind(after ?? '', 'text')}
             ${conditions.join(' ')} order by a.account_id limit ${Math.trunc(limit)}
         ) a cross join lateral (select case when ${isTaken(tenant, 'a')} then a.user_id end as user_id offset 0) l
         order by a.account_id`,
        parameters.values,
      )
    },
  }
}
