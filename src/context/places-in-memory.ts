import { foldKey, isKeyOrId } from '../tenancy/scim-path.ts'
import type { ConfirmedCache } from './confirmed-cache.ts'
import type { Answer, KnownEnvironment, KnownProject, KnownTenant, Looked, PlaceNames } from './control-store.ts'

/** A project, an environment in it and a tenant in that, as far as they are there. */
export interface KnownPlace {
  readonly project?: KnownProject | undefined
  readonly environment?: KnownEnvironment | undefined
  readonly tenant?: KnownTenant | undefined
}

/** The names as the store has them, up to the first that can be none; undefined where the first one is. */
export function namesOf({ project, environment, tenant }: PlaceNames): PlaceNames | undefined {
  const folded = (name: string | undefined) => (name !== undefined && isKeyOrId(name) ? foldKey(name) : undefined)
  const [first, second] = [folded(project), folded(environment)]
  if (first === undefined) return undefined
  return { project: first, environment: second, tenant: second === undefined ? undefined : folded(tenant) }
}

/** Projects, environments and tenants by their names in the cache, so that those who share one share what it takes. */
export class PlacesInMemory {
  readonly #cache: ConfirmedCache

  constructor(cache: ConfirmedCache) {
    this.#cache = cache
  }

  /** The place with these names; undefined where memory does not tell whether a part of it is there. */
  find({ project: projectName, environment: environmentName, tenant: tenantName }: PlaceNames): KnownPlace | undefined {
    const project = this.#get<KnownProject>(projectLabel(projectName))
    if (project === undefined) return undefined
    if (project === null) return {}
    if (environmentName === undefined) return { project }
    const environment = this.#get<KnownEnvironment>(environmentLabel(project, environmentName))
    if (environment === undefined) return undefined
    if (environment === null) return { project }
    if (tenantName === undefined) return { project, environment }
    const tenant = this.#get<KnownTenant>(tenantLabel(environment, tenantName))
    return tenant === undefined ? undefined : { project, environment, tenant: tenant ?? undefined }
  }

  /** The environment alone. */
  environment({ project, environment }: PlaceNames): KnownEnvironment | undefined {
    return this.find({ project, environment })?.environment
  }

  /** Remembers what was looked up; undefined where the environment was to be known and is not. */
  keep(names: PlaceNames, { last: asOf, ...answer }: Answer): KnownPlace | undefined {
    const kept = <T extends { readonly id: string }>(label: string, { value, bytes }: Looked<T>) => {
      this.#cache.keep(label, value, { dependsOn: value ? [value.id] : [], asOf, bytes })
      return value
    }
    const project = answer.project && kept(projectLabel(names.project), answer.project)
    if (project === undefined || answer.environment === undefined || names.environment === undefined) return { project }
    const label = environmentLabel(project, names.environment)
    const known = answer.environment === 'as known'
    const environment =
      answer.environment === 'as known' ? this.#get<KnownEnvironment>(label) : kept(label, answer.environment)
    if (!environment) return known ? undefined : { project }
    if (answer.tenant === undefined || names.tenant === undefined) return { project, environment }
    return { project, environment, tenant: kept(tenantLabel(environment, names.tenant), answer.tenant) }
  }

  #get<T extends object>(label: string): T | null | undefined {
    // A label's first word decides the type.
    return this.#cache.get(label) as T | null | undefined
  }
}

const projectLabel = (name: string): string => `project ${name}`
const environmentLabel = ({ id }: KnownProject, name: string): string => `environment ${id} ${name}`
const tenantLabel = ({ id }: KnownEnvironment, name: string): string => `tenant ${id} ${name}`
