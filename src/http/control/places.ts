import { findEnvironment } from '../../administration/environments.ts'
import { findProject } from '../../administration/projects.ts'
import { Refusal } from '../../administration/refusal.ts'
import { findTenant } from '../../administration/tenants.ts'
import type { Scope } from '../../auth/principal.ts'
import { covers } from '../../auth/principal.ts'
import { formerAddressNamed } from '../../context/former-address.ts'
import type { Database } from '../../db/database.ts'
import type { EnvironmentRow } from '../../repositories/control/environments.ts'
import type { ProjectRow } from '../../repositories/control/projects.ts'
import { formerAddressesOf } from '../../repositories/control/tenant-moves.ts'
import type { TenantRow } from '../../repositories/control/tenants.ts'
import type { AdminRequest } from './env.ts'

/** What a URL calls a place: key or id of each level, from the outer one to the inner one. */
export interface PlaceNames {
  readonly project?: string | undefined
  readonly environment?: string | undefined
  readonly tenant?: string | undefined
}

/** The place that a URL names, with what lies around it; `scope` is the same in the words of keys. */
export interface ProjectPlace {
  readonly scope: Extract<Scope, { kind: 'project' }>
  readonly project: ProjectRow
}
export interface EnvironmentPlace {
  readonly scope: Extract<Scope, { kind: 'environment' }>
  readonly project: ProjectRow
  readonly environment: EnvironmentRow
}
export interface TenantPlace {
  readonly scope: Extract<Scope, { kind: 'tenant' }>
  readonly project: ProjectRow
  readonly environment: EnvironmentRow
  readonly tenant: TenantRow
}

/**
 * Finds the project that a URL names by key or id, for the key that asks. Outside its scope a key gets the same 403 whether or
 * not anything is there; here and in the two functions below.
 *
 * @throws {Refusal} 403 or 404
 */
export async function projectAt({ database, principal }: AdminRequest, { project }: PlaceNames): Promise<ProjectPlace> {
  return within(principal.scope, await lookUpProject(database, principal.scope, project))
}

export async function environmentAt(
  { database, principal }: AdminRequest,
  names: PlaceNames,
): Promise<EnvironmentPlace> {
  return within(principal.scope, await lookUpEnvironment(database, principal.scope, names))
}

/** The same of a tenant. Names from before its move are good for a while, and for keys of that tenant alone. */
export async function tenantAt({ database, principal, noted }: AdminRequest, names: PlaceNames): Promise<TenantPlace> {
  const place = await tenantNamed(database, principal.scope, names)
  if (noted !== undefined) noted.tenantId = place.tenant.id
  return place
}

async function tenantNamed(database: Database, by: Scope, names: PlaceNames): Promise<TenantPlace> {
  try {
    return await lookUpTenant(database, by, names)
  } catch (error) {
    if (!(error instanceof Refusal) || by.kind !== 'tenant') throw error
    const former = await formerAddressesOf(database, by.tenantId).list()
    if (formerAddressNamed(former, by.tenantId, names) === undefined) throw error
    return lookUpTenant(database, by, { project: by.projectId, environment: by.environmentId, tenant: by.tenantId })
  }
}

/** @throws {Refusal} 403 unless the key is for the whole instance */
export function instanceFor(by: Scope): Scope {
  if (by.kind !== 'instance') throw outside()
  return by
}

/** The place that a URL names at any level; which names there are decides the level. @throws {Refusal} 403 or 404 */
export async function placeNamed(by: AdminRequest, names: PlaceNames): Promise<Scope> {
  if (names.project === undefined) return instanceFor(by.principal.scope)
  if (names.environment === undefined) return (await projectAt(by, names)).scope
  return endpointPlaceAt(by, names)
}

/** Where the endpoints are that a URL names: an environment with all of its tenants, or one tenant. @throws {Refusal} 403 or 404 */
export async function endpointPlaceAt(by: AdminRequest, names: PlaceNames) {
  return names.tenant === undefined ? (await environmentAt(by, names)).scope : (await tenantAt(by, names)).scope
}

async function lookUpProject(database: Database, by: Scope, name = ''): Promise<ProjectPlace> {
  const project = await findProject(database, name)
  if (project === undefined) throw by.kind === 'instance' ? Refusal.notFound('project', name) : outside()
  if (by.kind !== 'instance' && by.projectId !== project.id) throw outside()
  return { scope: { kind: 'project', projectId: project.id }, project }
}

async function lookUpEnvironment(
  database: Database,
  by: Scope,
  { project, environment: name = '' }: PlaceNames,
): Promise<EnvironmentPlace> {
  const outer = await lookUpProject(database, by, project)
  const environment = await findEnvironment(database, outer.project.id, name)
  if (environment === undefined) throw covers(by, outer.scope) ? Refusal.notFound('environment', name) : outside()
  if ('environmentId' in by && by.environmentId !== environment.id) throw outside()
  return { ...outer, scope: { ...outer.scope, kind: 'environment', environmentId: environment.id }, environment }
}

async function lookUpTenant(database: Database, by: Scope, names: PlaceNames): Promise<TenantPlace> {
  const outer = await lookUpEnvironment(database, by, names)
  const { tenant: name = '' } = names
  const tenant = await findTenant(database, outer.environment.id, name)
  if (tenant === undefined) throw covers(by, outer.scope) ? Refusal.notFound('tenant', name) : outside()
  return within(by, { ...outer, scope: { ...outer.scope, kind: 'tenant', tenantId: tenant.id }, tenant })
}

function within<P extends { readonly scope: Scope }>(by: Scope, place: P): P {
  if (!covers(by, place.scope)) throw outside()
  return place
}

const outside = () => new Refusal(403, 'This API key is not for what the URL names.')
