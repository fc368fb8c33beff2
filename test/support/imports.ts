import { type AdminClient, adminClient, type Schemas } from '../../src/client/index.ts'
import type { Gateway, TestTenant } from './gateway.ts'

/** Sends records to a tenant's import in the admin API, by default with the key of the configuration. */
export const importInto = (
  { origin, adminKey, project, environment }: Gateway,
  tenant: TestTenant,
  items: readonly Schemas['TransferRecord'][],
  as: AdminClient = adminClient({ origin, key: adminKey }),
) =>
  as.POST('/projects/{project}/environments/{environment}/tenants/{tenant}/import', {
    params: { path: { project, environment, tenant: tenant.name } },
    body: { items: [...items] },
  })
