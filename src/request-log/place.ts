import { covers, type Scope } from '../auth/principal.ts'
import type { ControlPlane } from '../context/control-plane.ts'
import type { KnownEnvironment, KnownTenant } from '../context/control-store.ts'
import type { TenantId } from '../place-ids.ts'
import { effectiveSettings } from '../tenancy/settings.ts'
import { registryOf } from '../tenancy/tenant.ts'
import type { Exchange, LoggingTenant } from './exchange.ts'

/** Whose log a request belongs in. */
export interface PlaceOf {
  readonly tenant: LoggingTenant
  readonly keyId: string | undefined
  /** True where whoever sent it did not prove to have a key. */
  readonly isGuess: boolean
}

const INSTANCE: Scope = { kind: 'instance' }

/**
 * The tenant to which a request belongs that was refused before its tenant was known. Of a key that is ours, it is the key's own
 * tenant, or the one in the URL where the key reaches it: no tenant's log tells of other tenants' keys. Of any other key it is the
 * one in the URL. Undefined where there is none.
 *
 * It is found behind the answer, so that neither the answer nor its time tells whether there is such a tenant.
 */
export async function placeOf({ belongs }: Exchange, control: ControlPlane): Promise<PlaceOf | undefined> {
  if ('tenant' in belongs) return { ...belongs, isGuess: false }
  if ('clientId' in belongs) return placeOfClient(belongs, control)
  const { names, keyId, unknownKey } = belongs
  const key = unknownKey || keyId === undefined ? undefined : await control.apiKey(keyId)
  const scope = key?.secrets[0]?.principal.scope
  const own =
    scope?.kind === 'tenant'
      ? { project: scope.projectId, environment: scope.environmentId, tenant: scope.tenantId }
      : names
  const { project, environment, tenant } = await control.place(own, INSTANCE)
  if (project === undefined || environment === undefined || tenant === undefined) return undefined
  const ids = { projectId: project.id, environmentId: environment.id, tenantId: tenant.id as TenantId }
  if (scope !== undefined && !covers(scope, { kind: 'tenant', ...ids })) return undefined
  const isGuess = scope === undefined
  return { tenant: loggingTenant(environment, tenant), keyId: isGuess ? undefined : keyId, isGuess }
}

/** The tenant of the key that a request for an access token names. A key of several tenants has no log of its own. */
async function placeOfClient(
  { clientId, isProven }: Extract<Exchange['belongs'], { clientId: string }>,
  control: ControlPlane,
): Promise<PlaceOf | undefined> {
  const scope = (await control.apiKey(clientId))?.secrets[0]?.principal.scope
  if (scope?.kind !== 'tenant') return undefined
  const ids = { project: scope.projectId, environment: scope.environmentId, tenant: scope.tenantId }
  const { environment, tenant } = await control.place(ids, INSTANCE)
  if (environment === undefined || tenant === undefined) return undefined
  return { tenant: loggingTenant(environment, tenant), keyId: clientId, isGuess: !isProven }
}

function loggingTenant(environment: KnownEnvironment, tenant: KnownTenant): LoggingTenant {
  const settings = effectiveSettings(environment.settings, tenant.settings)
  return { id: tenant.id, settings, registry: registryOf(settings, environment.definitions, tenant.definitions) }
}
