import type { Scope } from '../../../auth/principal.ts'
import type { Database } from '../../../db/database.ts'

/** What has been done of the setting up of a tenant. */
export interface Steps {
  /** There is a key by which an identity provider may write. */
  readonly hasKey: boolean
  /** There is a webhook or a stream that gets the tenant's events. */
  readonly hasEndpoint: boolean
}

/** How far a tenant is set up, by its own keys and endpoints and those of what is around it. */
export async function stepsOf(
  db: Database,
  { projectId, environmentId, tenantId }: Extract<Scope, { kind: 'tenant' }>,
): Promise<Steps> {
  const rows = await db.run<Steps>(
    `select exists (
         select 1 from api_keys k where k.project_id = $1::uuid and (k.environment_id is null or k.environment_id = $2::uuid)
           and (k.tenant_id is null or k.tenant_id = $3::uuid) and k.revoked_at is null and k.user_id is null
           and 'scim:write' = any(k.permissions)
       ) as "hasKey",
       exists (
         select 1 from webhook_endpoints w where w.environment_id = $2::uuid and (w.tenant_id is null or w.tenant_id = $3::uuid)
       ) as "hasEndpoint"`,
    [projectId, environmentId, tenantId],
  )
  return rows[0] ?? { hasKey: false, hasEndpoint: false }
}
