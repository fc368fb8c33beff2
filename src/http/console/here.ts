import { covers, type Scope } from '../../auth/principal.ts'
import { environmentAt, instanceFor, type PlaceNames, projectAt, tenantAt } from '../control/places.ts'
import type { ConsoleContext } from './env.ts'
import type { Crumb } from './layout.tsx'
import { CONSOLE, pathTo } from './paths.ts'

/** Addresses below which every place has the same pages: all of it, a project, an environment, a tenant. */
export const PLACES = [
  '',
  '/projects/:project',
  '/projects/:project/environments/:environment',
  '/projects/:project/environments/:environment/tenants/:tenant',
] as const

/** The place that an address names. */
export interface Here {
  readonly scope: Scope
  /** Where the pages of the place are. */
  readonly path: string
  /** The way to what is below the place, as far as the key reaches. */
  readonly crumbs: readonly Crumb[]
}

/** The first step of every way. */
export const OVERVIEW: Crumb = { name: 'Overview', path: CONSOLE }

/** The place that the address of a request names, for the key of its session. @throws {Refusal} 403 or 404 */
export async function hereOf(c: ConsoleContext): Promise<Here> {
  const names = c.req.param() as PlaceNames
  if (names.project === undefined)
    return { scope: instanceFor(c.var.principal.scope), path: CONSOLE, crumbs: [OVERVIEW] }
  if (names.environment === undefined) {
    const { scope, project } = await projectAt(c.var, names)
    return { scope, path: pathTo(project.key), crumbs: [OVERVIEW] }
  }
  const place = names.tenant === undefined ? await environmentAt(c.var, names) : await tenantAt(c.var, names)
  const { scope, project, environment } = place
  const outer = pathTo(project.key, environment.key)
  const within = { ...scope, kind: 'environment' } as const
  const reaches = covers(c.var.principal.scope, within)
  const crumbs = reaches ? [OVERVIEW, { name: `${project.key} / ${environment.key}`, path: outer }] : [OVERVIEW]
  if (!('tenant' in place)) return { scope, path: outer, crumbs }
  const path = pathTo(project.key, environment.key, place.tenant.key)
  return { scope, path, crumbs: [...crumbs, { name: place.tenant.key, path }] }
}
