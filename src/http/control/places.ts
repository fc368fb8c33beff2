import { findEnvironment } from '../../administration/environments.ts'
import { findProject } from '../../administration/projects.ts'
import { Refusal } from '../../administration/refusal.ts'
import { findTenant } from '../../administration/tenants.ts'
import type { Scope } from '../../auth/principal.ts'
import { covers } from '../../auth/principal.ts'
import type { Database } from '../../db/database.ts'
import type { EnvironmentRow } from '../../repositories/control/environments.ts'
import type { ProjectRow } from '../../repositories/control/projects.ts'
import type { TenantRow } from '../../repositories/control/tenants.ts'
import type { AdminRequest } from './env.ts'

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
export async function projectAt({ database, principal }: AdminRequest, p: string): Promise<ProjectPlace> {
  return within(principal.scope, await lookUpProject(database, principal.scope, p))
}

export async function environmentAt(
  { database, principal }: AdminRequest,
  p: string,
  e: string,
): Promise<EnvironmentPlace> {
  return within(principal.scope, await lookUpEnvironment(database, principal.scope, p, e))
}

export async function tenantAt(
  { database, principal }: AdminRequest,
  p: string,
  e: string,
  t: string,
): Promise<TenantPlace> {
  const by = principal.scope
  const outer = await lookUpEnvironment(database, by, p, e)
  const tenant = await findTenant(database, outer.environment.id, t)
  if (tenant === undefined) throw covers(by, outer.scope) ? Refusal.notFound('tenant', t) : outside()
  return within(by, { ...outer, scope: { ...outer.scope, kind: 'tenant', tenantId: tenant.id }, tenant })
}

/** @throws {Refusal} 403 unless the key is for the whole instance */
export function instanceFor(by: Scope): Scope {
  if (by.kind !== 'instance') throw outside()
  return by
}

/** Path parameters; which of them there are decides what they name. */
export interface PlaceNames {
  readonly p?: string
  readonly e?: string
  readonly t?: string
}

/** The place that a URL names at any level. @throws {Refusal} 403 or 404 */
export async function placeNamed(by: AdminRequest, { p, e, t }: PlaceNames): Promise<Scope> {
  if (p === undefined) return instanceFor(by.principal.scope)
  if (e === undefined) return (await projectAt(by, p)).scope
  if (t === undefined) return (await environmentAt(by, p, e)).scope
  return (await tenantAt(by, p, e, t)).scope
}

/** Where the endpoints are that a URL names: an environment with all of its tenants, or one tenant. @throws {Refusal} 403 or 404 */
export async function endpointPlaceAt(by: AdminRequest, { p = '', e = '', t }: PlaceNames) {
  return t === undefined ? (await environmentAt(by, p, e)).scope : (await tenantAt(by, p, e, t)).scope
}

async function lookUpProject(database: Database, by: Scope, p: string): Promise<ProjectPlace> {
  const project = await findProject(database, p)
  if (project === undefined) throw by.kind === 'instance' ? Refusal.notFound('project', p) : outside()
  if (by.kind !== 'instance' && by.projectId !== project.id) throw outside()
  return { scope: { kind: 'project', projectId: project.id }, project }
}

async function lookUpEnvironment(database: Database, by: Scope, p: string, e: string): Promise<EnvironmentPlace> {
  const outer = await lookUpProject(database, by, p)
  const environment = await findEnvironment(database, outer.project.id, e)
  if (environment === undefined) throw covers(by, outer.scope) ? Refusal.notFound('environment', e) : outside()
  if ('environmentId' in by && by.environmentId !== environment.id) throw outside()
  return { ...outer, scope: { ...outer.scope, kind: 'environment', environmentId: environment.id }, environment }
}

function within<P extends { readonly scope: Scope }>(by: Scope, place: P): P {
  if (!covers(by, place.scope)) throw outside()
  return place
}

const outside = () => new Refusal(403, 'This API key is not for what the URL names.')
