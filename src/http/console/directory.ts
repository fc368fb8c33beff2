import type { AdminDependencies } from '../control/env.ts'
import { type OpenTenant, openTenant } from '../control/open-tenant.ts'
import { type PlaceNames, type TenantPlace, tenantAt } from '../control/places.ts'
import { needs } from '../permissions.ts'
import type { ConsoleContext } from './env.ts'

export const TENANT = '/projects/:project/environments/:environment/tenants/:tenant'

/** Whether the key may see people and what happens to them, as on the admin API. */
export const seesPeople = (c: ConsoleContext): boolean => c.var.principal.permissions.has('directory:read')

/** @throws {ChallengeError} 403 for keys that may not */
export const needsPeople = (c: ConsoleContext): void => needs(c.var.principal, 'directory:read')

/** The tenant that an address names. @throws {Refusal} 403 or 404 */
export function tenantHere(c: ConsoleContext): Promise<TenantPlace> {
  return tenantAt(c.var, c.req.param() as PlaceNames)
}

/** The same with what is in it. @throws {Refusal} 403 for keys that may not see people, or 404 */
export async function directoryHere(
  c: ConsoleContext,
  { control, config }: Pick<AdminDependencies, 'control' | 'config'>,
): Promise<OpenTenant> {
  needsPeople(c)
  return openTenant(c, c.req.param() as PlaceNames, control, config)
}
