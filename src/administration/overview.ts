import type { Scope } from '../auth/principal.ts'
import type { Database } from '../db/database.ts'
import type { ProjectId } from '../place-ids.ts'
import type { ApiKeyRow } from '../repositories/control/api-keys.ts'
import { type TroubledTenant, troubledTenants } from '../repositories/control/connections.ts'
import { type EnvironmentRow, environmentsOf } from '../repositories/control/environments.ts'
import { type ProjectRow, projectsIn } from '../repositories/control/projects.ts'
import { type TenantSummary, tenantSummaries } from '../repositories/control/summaries.ts'
import { type TroubledEndpoint, troubledEndpoints } from '../repositories/delivery/webhook-backlog.ts'
import { type HoldingTenant, holdingTenants } from '../repositories/log/held-events.ts'
import type { ListPage } from '../repositories/sql/lists.ts'
import { expiringKeys } from './keys/key-warnings.ts'

/** A project with what is in it, as far as the asking key reaches. */
export interface ProjectOverview {
  readonly project: ProjectRow
  readonly environments: readonly EnvironmentOverview[]
}

export interface EnvironmentOverview {
  readonly environment: EnvironmentRow
  /** The first ones, by their creation. */
  readonly tenants: readonly TenantSummary[]
  readonly moreTenants: boolean
}

/** What there is within a key's scope, and what of it needs the operator's attention. */
export interface Overview {
  readonly projects: readonly ProjectOverview[]
  /** Keys that expire soon or have lately. */
  readonly expiring: readonly ApiKeyRow[]
  /** Of the environments above, as the rest is. */
  readonly holding: readonly HoldingTenant[]
  readonly troubled: readonly TroubledEndpoint[]
  /** Tenants whose identity provider is silent or refused, or that have no seat left. */
  readonly tenants: readonly TroubledTenant[]
}

const ENVIRONMENTS_AT_ONCE = 50
const TENANTS_AT_ONCE = 12
const TROUBLES_AT_ONCE = 20

/** Projects within `scope` with what is in them; `page` is one of projects. */
export async function overviewOf(database: Database, scope: Scope, page: ListPage): Promise<Overview> {
  const projects = await projectsWithin(database, scope, page)
  const found = await Promise.all(
    projects.map(async (project) => ({ project, environments: await environmentsWithin(database, scope, project.id) })),
  )
  const ids = found.flatMap(({ environments }) => environments.map(({ id }) => id))
  const only = scope.kind === 'tenant' ? scope.tenantId : undefined
  const summaries = await tenantSummaries(database, ids, { only, limit: TENANTS_AT_ONCE + 1 })
  return {
    projects: found.map(({ project, environments }) => ({
      project,
      environments: environments.map((environment) => {
        const tenants = summaries.filter(({ environmentId }) => environmentId === environment.id)
        const moreTenants = tenants.length > TENANTS_AT_ONCE
        return { environment, tenants: tenants.slice(0, TENANTS_AT_ONCE), moreTenants }
      }),
    })),
    tenants: await troubledTenants(database, ids, only, TROUBLES_AT_ONCE),
    expiring: await expiringKeys(database, scope, TROUBLES_AT_ONCE),
    holding: await holdingTenants(database, ids, only, TROUBLES_AT_ONCE),
    troubled: await troubledEndpoints(database, ids, only, TROUBLES_AT_ONCE),
  }
}

async function projectsWithin(database: Database, scope: Scope, page: ListPage): Promise<ProjectRow[]> {
  if (scope.kind === 'instance') return projectsIn(database).list(page)
  const project = await projectsIn(database).find(scope.projectId)
  return project === undefined ? [] : [project]
}

async function environmentsWithin(database: Database, scope: Scope, projectId: ProjectId): Promise<EnvironmentRow[]> {
  const environments = environmentsOf(database, projectId)
  if (!('environmentId' in scope)) return environments.list({ after: undefined, limit: ENVIRONMENTS_AT_ONCE })
  const environment = await environments.find(scope.environmentId)
  return environment === undefined ? [] : [environment]
}
