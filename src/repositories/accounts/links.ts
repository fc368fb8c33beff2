import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { isOurId } from '../sql/ids.ts'
import { arrayText } from '../sql/parameters.ts'

/** The application's ids of the accounts of these users, by the users' ids. Users without an account are left out. */
export async function accountsOfUsers(
  database: Database,
  tenantId: TenantId,
  userIds: readonly string[],
): Promise<Map<string, string>> {
  const known = userIds.filter(isOurId)
  if (known.length === 0) return new Map()
  const rows = await database.asTenant(tenantId).run<{ user: string; account: string }>(
    `select a.user_id::text as user, a.account_id as account from accounts a
     where a.tenant_id = $1::uuid and a.user_id = any($2::text::uuid[])`,
    [tenantId, arrayText(known, 'uuid')],
    { name: 'accounts-of-users' },
  )
  return new Map(rows.map(({ user, account }) => [user, account]))
}
