import { ScimError } from '../../scim/errors.ts'
import { isObject, type JsonObject, type JsonValue } from '../../scim/resource.ts'

/** Whom a message is about, in one of the formats of RFC 9493 by which users can be found here. */
export type SubjectIdentifier =
  | { readonly format: 'email'; readonly email: string }
  | { readonly format: 'iss_sub'; readonly iss: string; readonly sub: string }
  | { readonly format: 'opaque'; readonly id: string }

const MAX_LENGTH = 2_000

/**
 * Reads the subject of a request of Global Token Revocation: `sub_id`, or `subject` as older drafts have it.
 *
 * @throws {ScimError} 400
 */
export function subjectIn(body: JsonValue): SubjectIdentifier {
  if (!isObject(body)) throw malformed('The body must be an object with the member sub_id.')
  if (body.sub_id !== undefined && body.subject !== undefined)
    throw malformed('The body must have either sub_id or subject, not both.')
  const identifier = body.sub_id ?? body.subject
  if (!isObject(identifier)) throw malformed('sub_id must be an object with the member format.')
  const { format } = identifier
  switch (format) {
    case 'email':
      return { format, email: textAt(identifier, 'email') }
    case 'iss_sub':
      return { format, iss: textAt(identifier, 'iss'), sub: textAt(identifier, 'sub') }
    case 'opaque':
      return { format, id: textAt(identifier, 'id') }
    default:
      throw malformed('The format of sub_id must be email, iss_sub or opaque.')
  }
}

function textAt(identifier: JsonObject, name: string): string {
  const value = identifier[name]
  if (typeof value !== 'string' || value === '' || value.length > MAX_LENGTH)
    throw malformed(`sub_id.${name} must be a text of 1 to ${MAX_LENGTH} characters.`)
  return value
}

const malformed = (detail: string): ScimError => ScimError.invalidValue('logout-subject-malformed', detail)
