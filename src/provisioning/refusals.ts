import { ScimError } from '../scim/errors.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'

/** 404; the same words for an unknown id, one of another type and one of another tenant (E-07). */
export function missing(type: ResourceType, id: string): never {
  throw ScimError.notFound(`${type.name} "${id.slice(0, 64)}" was not found.`)
}

/** 412 (RFC 7644 §3.14). */
export const staleVersion = (): ScimError =>
  ScimError.preconditionFailed(
    'The resource has another version than If-Match names; read it again and repeat the change.',
  )

/** 400 for members that are nobody in this tenant; whether they are somebody elsewhere makes no difference. */
export const unknownMembers = (ids: readonly string[]): ScimError => {
  const named = ids.slice(0, 5).map((id) => `"${id.slice(0, 64)}"`)
  return ScimError.invalidValue(`members: no user or group of this tenant has the id ${named.join(', ')}.`)
}
