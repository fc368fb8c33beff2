import { z } from '@hono/zod-openapi'
import { environmentParams, projectParams, tenantParams } from './schemas.ts'

/** A level at which a collection of the admin API stands: where its routes are, and how their operations are called there. */
export interface Level {
  /** The path of the place, before the name of the collection. */
  readonly path: string
  readonly params: z.ZodObject
  /** In operation ids: `Tenant` makes `listTenantWebhooks`. The instance has none: `listApiKeys`. */
  readonly prefix: '' | 'Project' | 'Environment' | 'Tenant'
  /** At the end of summaries: ` of a tenant` makes "List webhooks of a tenant". */
  readonly of: string
}

export const INSTANCE: Level = { path: '', params: z.object({}), prefix: '', of: '' }
export const PROJECT: Level = {
  ...{ path: '/projects/{project}', params: projectParams },
  ...{ prefix: 'Project', of: ' of a project' },
}
export const ENVIRONMENT: Level = {
  ...{ path: `${PROJECT.path}/environments/{environment}`, params: environmentParams },
  ...{ prefix: 'Environment', of: ' of an environment' },
}
export const TENANT: Level = {
  ...{ path: `${ENVIRONMENT.path}/tenants/{tenant}`, params: tenantParams },
  ...{ prefix: 'Tenant', of: ' of a tenant' },
}
