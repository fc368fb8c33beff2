import type { EnvironmentPlace, Principal, Scope } from '../auth/principal.ts'
import { covers } from '../auth/principal.ts'
import { ScimError } from '../scim/errors.ts'
import type { ScimPath } from '../tenancy/scim-path.ts'
import { DEFAULT_TENANT, keyProblem, withoutTenant } from '../tenancy/scim-path.ts'
import { effectiveSettings } from '../tenancy/settings.ts'
import type { TenantContext } from '../tenancy/tenant.ts'
import { registryOf, tenantContext } from '../tenancy/tenant.ts'
import { catalogueOf } from './catalogue.ts'
import type { ControlPlane } from './control-plane.ts'
import type { KnownEnvironment, KnownProject, KnownTenant, PlaceNames } from './control-store.ts'

/** A request's tenant, and its path as it is to be read from here on. */
export interface Resolved {
  readonly tenant: TenantContext
  readonly path: ScimPath
  /** Set where the tenant has moved: until when its path from before leads to it, in milliseconds since 1970. */
  readonly until?: number
}

const INSTANCE: Scope = { kind: 'instance' }

/** The place that a path names, as the control plane looks it up. */
export const namesIn = ({ project, environment, tenant = DEFAULT_TENANT }: ScimPath): PlaceNames => ({
  project,
  environment,
  tenant,
})

/** Gives the base URL for a base path, as `baseUrlOf` does for the request at hand. */
export type BaseUrlFor = (basePath: string) => string

/**
 * Finds the tenant that `path` names, for a caller whose key is good (TEN-01, TEN-02).
 *
 * The key's scope is judged before existence. Under a name outside its scope a key gets the same 403, whether or not anything is
 * there. Only a key that reaches the parent learns with a 404 that something does not exist.
 *
 * A path from before the tenant's move leads to it for a while, and only for keys of that tenant. To all others it is like any
 * name under which there is nothing.
 *
 * @throws {ScimError} 403 outside the key's scope, and where project, environment or tenant is paused; 404 for what does not exist
 */
export async function resolveTenant(
  path: ScimPath,
  principal: Principal,
  control: ControlPlane,
  baseUrlFor: BaseUrlFor,
): Promise<Resolved> {
  try {
    return await resolveNamed(path, namesIn(path), principal, control, baseUrlFor)
  } catch (error) {
    const { scope } = principal
    if (scope.kind !== 'tenant' || path.tenant === undefined || !(error instanceof ScimError)) throw error
    const until = await control.ledHereUntil(scope.tenantId, namesIn(path))
    if (until === undefined) throw error
    const now = { project: scope.projectId, environment: scope.environmentId, tenant: scope.tenantId }
    return { ...(await resolveNamed(path, now, principal, control, baseUrlFor)), until }
  }
}

/** The same by names that may be others than those of the path. */
async function resolveNamed(
  path: ScimPath,
  names: PlaceNames,
  principal: Principal,
  control: ControlPlane,
  baseUrlFor: BaseUrlFor,
): Promise<Resolved> {
  const { scope } = principal
  const { project, environment, tenant: named } = await control.place(names, scope)
  if (project === undefined) throw scope.kind === 'instance' ? unknown('project', path.project) : outside()
  // A narrower key can be good for a part of this project only when it is a key of this project.
  if (scope.kind !== 'instance' && scope.projectId !== project.id) throw outside()

  const inProject: Scope = { kind: 'project', projectId: project.id }
  if (environment === undefined) throw covers(scope, inProject) ? unknown('environment', path.environment) : outside()
  if ('environmentId' in scope && scope.environmentId !== environment.id) throw outside()

  const place = { projectId: project.id, environmentId: environment.id }
  const found = await findTenant(path, named, environment, control, scope)
  const inEnvironment: Scope = { kind: 'environment', ...place }
  let { tenant } = found
  if (tenant === undefined) {
    if (!covers(scope, inEnvironment)) throw outside()
    refusePaused(project, environment)
    const mayCreate = environment.settings.createUnknownTenants === true && principal.permissions.has('scim:write')
    if (!mayCreate || path.tenant === undefined || keyProblem(path.tenant) !== undefined)
      throw unknown('tenant', path.tenant ?? DEFAULT_TENANT)
    tenant = await control.createTenant(place, path.tenant, principal.keyId)
    if (tenant === undefined) throw unknown('tenant', path.tenant)
  }
  if (!covers(scope, { kind: 'tenant', ...place, tenantId: tenant.id })) throw outside()
  refusePaused(project, environment, tenant)
  return { tenant: contextOf(control, environment, tenant, place, baseUrlFor(found.path.basePath)), path: found.path }
}

/**
 * The tenant for a request without a key, which only the discovery endpoints may serve. Undefined unless there is a tenant that
 * allows it, so that all other requests get the same answer whether or not anything exists.
 */
export async function resolveForDiscovery(
  path: ScimPath,
  control: ControlPlane,
  baseUrlFor: BaseUrlFor,
): Promise<Resolved | undefined> {
  const resolved = await resolveWithoutKey(path, control, baseUrlFor)
  return resolved?.tenant.settings.anonymousDiscovery ? resolved : undefined
}

/**
 * The tenant that `path` names or named before a move of the tenant, for a caller who proves in another way that it may ask. Undefined
 * where the tenant is paused or not there: the caller must give one answer for all refusals.
 */
export async function resolveForIssuer(
  path: ScimPath,
  control: ControlPlane,
  baseUrlFor: BaseUrlFor,
): Promise<Resolved | undefined> {
  const resolved = await resolveWithoutKey(path, control, baseUrlFor)
  if (resolved !== undefined || path.tenant === undefined) return resolved
  const now = await control.ledFrom(namesIn(path))
  if (now === undefined) return undefined
  const names = { project: now.projectId, environment: now.environmentId, tenant: now.tenantId }
  return resolveWithoutKey(path, control, baseUrlFor, names)
}

/**
 * The tenant with the names of `path`, or with others, unless it is paused or not there. The caller must give one answer for all
 * refusals.
 */
export async function resolveWithoutKey(
  path: ScimPath,
  control: ControlPlane,
  baseUrlFor: BaseUrlFor,
  names: PlaceNames = namesIn(path),
): Promise<Resolved | undefined> {
  const { project, environment, tenant } = await control.place(names, INSTANCE)
  if (!project || !environment) return undefined
  const found = await findTenant(path, tenant, environment, control, INSTANCE)
  if (found.tenant === undefined || project.paused || environment.paused || found.tenant.paused) return undefined
  const place = { projectId: project.id, environmentId: environment.id }
  return {
    tenant: contextOf(control, environment, found.tenant, place, baseUrlFor(found.path.basePath)),
    path: found.path,
  }
}

function contextOf(
  control: ControlPlane,
  environment: KnownEnvironment,
  tenant: KnownTenant,
  place: EnvironmentPlace,
  baseUrl: string,
): TenantContext {
  const { id: tenantId, key, settings: own, definitions, eventUris } = tenant
  const settings = effectiveSettings(environment.settings, own)
  const registry = registryOf(settings, environment.definitions, definitions)
  const catalogue = catalogueOf(control, environment, tenant)
  const delivered = new Set([...(environment.eventUris ?? []), ...(eventUris ?? [])])
  const more = { hasAccounts: tenant.hasAccounts, domains: tenant.domains }
  return tenantContext({ ...place, tenantId, key, settings, ...more }, baseUrl, registry, [...delivered], catalogue)
}

/** What is paused is neither read nor written, by the name of the widest part that is. @throws {ScimError} 403 */
function refusePaused(project: KnownProject, environment: KnownEnvironment, tenant?: KnownTenant): void {
  const parts = [
    ['project', project],
    ['environment', environment],
    ['tenant', tenant],
  ] as const
  for (const [kind, part] of parts) {
    if (part?.paused)
      throw ScimError.forbidden(
        'place-paused',
        `The ${kind} "${part.key}" is paused: nothing is read or written until it is resumed.`,
      )
  }
}

/** The tenant, and the path read accordingly: `…/v2/Devices` may be a tenant, or a resource type of the default one. */
async function findTenant(
  path: ScimPath,
  named: KnownTenant | undefined,
  environment: KnownEnvironment,
  control: ControlPlane,
  reach: Scope,
): Promise<{ tenant: KnownTenant | undefined; path: ScimPath }> {
  if (named !== undefined || path.tenant === undefined) return { tenant: named, path }
  const { tenant: defaultTenant } = await control.place({ ...path, tenant: DEFAULT_TENANT }, reach)
  const settings = effectiveSettings(environment.settings, defaultTenant?.settings)
  const registry = registryOf(settings, environment.definitions, defaultTenant?.definitions)
  const catalogue = defaultTenant && catalogueOf(control, environment, defaultTenant)
  if (!registry.byEndpoint.has(path.tenant) && !catalogue?.byEndpoint.has(path.tenant))
    return { tenant: undefined, path }
  return { tenant: defaultTenant, path: withoutTenant(path) }
}

const outside = () =>
  ScimError.forbidden(
    'key-of-another-place',
    'This API key is not for the project, environment or tenant that the URL names.',
  )

const unknown = (kind: string, name: string) =>
  ScimError.notFound('place-unknown', `There is no ${kind} "${name.slice(0, 64)}" here; check the base URL.`)
