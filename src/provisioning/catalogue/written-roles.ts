import type { RoleWrites, WrittenRole } from '../../repositories/sql/written-roles.ts'
import { fold } from '../../scim/comparable.ts'
import { ScimError } from '../../scim/errors.ts'
import { isObject, type Resource } from '../../scim/resource.ts'
import type { CatalogueAttribute } from '../../scim/schema/catalogue-types.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { Offered } from '../../tenancy/catalogue.ts'
import type { TenantContext } from '../../tenancy/tenant.ts'

const ATTRIBUTES: readonly CatalogueAttribute[] = ['roles', 'entitlements']

/**
 * The roles that a write of a user gives and takes by the values of `roles` and `entitlements`; undefined where it moves none.
 *
 * Values are checked against the catalogue where there is one. Letter case does not count (RFC 7643 §8.7.1). A value that the user
 * has already is not checked again: the application may have withdrawn it since, and the rest of the user must still be written.
 *
 * @throws {ScimError} invalidValue for a new value that the catalogue does not offer
 */
export async function writtenRoles(
  { catalogue }: Pick<TenantContext, 'catalogue'>,
  type: ResourceType,
  after: Resource,
  before?: Resource,
): Promise<RoleWrites | undefined> {
  if (catalogue === undefined || type.name !== 'User') return undefined
  const given: WrittenRole[] = []
  const taken: Omit<WrittenRole, 'role'>[] = []
  for (const attribute of ATTRIBUTES) {
    const [had, has] = [valuesOf(before, attribute), valuesOf(after, attribute)]
    for (const value of had.keys()) if (!has.has(value)) taken.push({ attribute, value })
    const fresh = [...has].filter(([value]) => !had.has(value))
    if (fresh.length === 0 || !catalogue.checked.has(attribute)) continue
    const offered = await catalogue.values()
    for (const [value, spelled] of fresh) {
      // The tenant's own entry comes last, and stands over that of its environment.
      const found = offered.reduce<Offered | undefined>((last, values) => values.get(value) ?? last, undefined)
      if (found === undefined || found.attribute !== attribute || !found.supported)
        throw notOffered(attribute, spelled, found?.attribute === attribute)
      given.push({ attribute, value, role: found.value })
    }
  }
  return given.length + taken.length === 0 ? undefined : { given, taken }
}

function notOffered(attribute: CatalogueAttribute, value: string, isThere: boolean): ScimError {
  const noun = attribute === 'roles' ? 'role' : 'entitlement'
  const shown = value.slice(0, 100)
  const problem = isThere
    ? `the application gives nobody the ${noun} "${shown}" any more`
    : `the application has no ${noun} "${shown}"`
  return ScimError.invalidValue(
    'role-not-offered',
    `${attribute}: ${problem}. /ResourceTypes names the endpoints that list what it has.`,
  )
}

/** The values of an attribute, folded, and as they are spelled. */
function valuesOf(resource: Resource | undefined, attribute: CatalogueAttribute): Map<string, string> {
  const list = resource?.[attribute]
  const values = new Map<string, string>()
  for (const element of Array.isArray(list) ? list : []) {
    const value = isObject(element) ? element.value : undefined
    if (typeof value === 'string' && value !== '') values.set(fold(value), value)
  }
  return values
}
