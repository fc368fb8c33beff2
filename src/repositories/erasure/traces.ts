import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { appendEvents } from '../sql/append-events.ts'
import { arrayText } from '../sql/parameters.ts'

/** By what a user may be named, beside what the user's document and the log say. */
export interface Traces {
  /** The user is deleted and kept. */
  readonly isKept: boolean
  readonly userNames: readonly (string | null)[]
  readonly externalIds: readonly (string | null)[]
  readonly emails: readonly (string | null)[]
  /** Of accounts, and of API keys that stand for the user. */
  readonly names: readonly (string | null)[]
}

/** What kept users, accounts and API keys of a tenant have of a user. */
export async function tracesOf(tx: Database, tenantId: TenantId, userId: string): Promise<Traces> {
  const rows = await tx.run<{
    kept: boolean
    userName: string | null
    externalId: string | null
    emails: string | null
    name: string | null
  }>(
    `select true as kept, k.unique_key as "userName", k.external_id as "externalId", array_to_json(k.emails)::text as emails,
       null as name
     from kept_users k where k.tenant_id = $1::uuid and k.id = $2::uuid
     union all
     select false, a.user_name, a.external_id, (
       select json_agg(x->>'value')::text from jsonb_array_elements(a.addresses) x), a.display_name
     from accounts a where a.tenant_id = $1::uuid and a.user_id = $2::uuid
     union all
     select false, null, null, null, y.name from api_keys y where y.tenant_id = $1::uuid and y.user_id = $2::uuid`,
    [tenantId, userId],
    { prepare: false },
  )
  return {
    isKept: rows.some(({ kept }) => kept),
    userNames: rows.map(({ userName }) => userName),
    externalIds: rows.map(({ externalId }) => externalId),
    emails: rows.flatMap(({ emails }) => JSON.parse(emails ?? '[]') as (string | null)[]),
    names: rows.map(({ name }) => name),
  }
}

/** The id of a kept user of this tenant who has one of these names, which are folded; undefined where there is none. */
export async function keptUserNamed(
  tx: Database,
  tenantId: TenantId,
  names: readonly string[],
): Promise<string | undefined> {
  const [row] = await tx.asTenant(tenantId).run<{ id: string }>(
    `select k.id::text from kept_users k where k.tenant_id = $1::uuid
       and (k.unique_key = any($2::text::text[]) or k.external_id = any($2::text::text[]) or k.emails && $2::text::text[]) limit 1`,
    [tenantId, arrayText(names, 'text')],
    { prepare: false },
  )
  return row?.id
}

/** Forgets a kept user, with the event that tells of the deletion: nobody comes back by it. */
export async function forgetKeptUser(
  tx: Database,
  { tenantId, actor, requestId }: { readonly tenantId: TenantId; readonly actor: string; readonly requestId: string },
  userId: string,
): Promise<void> {
  await tx.asTenant(tenantId).run(
    `with gone as (
       delete from kept_users k where k.tenant_id = $1::uuid and k.id = $2::uuid returning k.id, k.version
     ),
     ${appendEvents({
       tenant: '$1::uuid',
       type: 'user.deleted',
       resourceType: `'User'`,
       resourceId: 'g.id',
       version: 'g.version + 1',
       requestId: '$3::text',
       actor: '$4::text',
       changes: `'{}'`,
       from: 'gone g',
     })}
     select count(*) from gone`,
    [tenantId, userId, requestId, actor],
    { prepare: false },
  )
}
