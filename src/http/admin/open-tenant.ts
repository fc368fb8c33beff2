import type { Context } from 'hono'
import type { z } from 'zod'
import { baseUrlOf, type OriginPolicy } from '../../context/base-url.ts'
import type { ControlPlane } from '../../context/control-cache.ts'
import { effectiveSettings } from '../../context/settings.ts'
import { registryOf } from '../../context/tenant.ts'
import { forTenant } from '../../repositories/tenant-scope.ts'
import type { AdminEnv } from './env.ts'
import { originOf } from './origin.ts'
import { tenantAt } from './places.ts'
import type { tenantParams } from './schemas.ts'

/** Opens the tenant that a URL names, also a paused one, for what the application reads of it. */
export function tenantOpener(control: ControlPlane, policy: OriginPolicy) {
  return async (c: Context<AdminEnv>, { p, e, t }: z.infer<typeof tenantParams>) => {
    const { project, environment, tenant } = await tenantAt(c.var, p, e, t)
    const [shared, own] = await Promise.all([
      control.environment(project.id, environment.id),
      control.tenant(environment.id, tenant.id),
    ])
    const settings = effectiveSettings(environment.settings, tenant.settings)
    const registry = registryOf(settings, shared?.definitions, own?.definitions)
    const baseUrl = baseUrlOf(originOf(c), policy, `/scim/v2/${project.key}/${environment.key}/v2/${tenant.key}`)
    const scope = { tenantId: tenant.id, baseUrl, requestId: c.var.requestId ?? '', actor: c.var.principal.keyId }
    const repositories = forTenant(c.var.database, { ...scope, defersReferences: false })
    return { settings, registry, baseUrl, repositories }
  }
}
