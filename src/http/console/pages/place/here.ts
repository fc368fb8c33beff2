import { environmentState, projectState, tenantState } from '../../../../administration/states/state-tags.ts'
import { entityTag } from '../../../control/conditional.ts'
import { environmentAt, type PlaceNames, projectAt, tenantAt } from '../../../control/places.ts'
import { TENANT } from '../../directory.ts'
import type { ConsoleContext } from '../../env.ts'
import { hereOf } from '../../here.ts'

/** Addresses of what has settings. */
export const WITH_SETTINGS = ['/projects/:project/environments/:environment', TENANT] as const

/** The project that an address names, its pages, and the tag of what they show. @throws {Refusal} 403 or 404 */
export async function projectHere(c: ConsoleContext) {
  const found = await projectAt(c.var, c.req.param() as PlaceNames)
  return { ...found, ...(await hereOf(c)), scope: found.scope, tag: entityTag(projectState(found.project)) }
}

/** An environment or a tenant, in the same way. */
export async function placeHere(c: ConsoleContext) {
  const names = c.req.param() as PlaceNames
  const { path, crumbs } = await hereOf(c)
  if (names.tenant === undefined) {
    const place = await environmentAt(c.var, names)
    const { environment } = place
    return { kind: 'environment' as const, ...place, path, crumbs, tag: entityTag(environmentState(environment)) }
  }
  const place = await tenantAt(c.var, names)
  const { environment, tenant } = place
  return { kind: 'tenant' as const, ...place, path, crumbs, tag: entityTag(tenantState(tenant, environment.settings)) }
}
export type PlaceHere = Awaited<ReturnType<typeof placeHere>>

/** The row of a place itself. */
export const rowOf = (place: PlaceHere) => (place.kind === 'tenant' ? place.tenant : place.environment)
