import { randomBytes, scrypt } from 'node:crypto'
import { ScimError } from '../scim/errors.ts'
import type { PatchOperation } from '../scim/patch/parse.ts'
import { isObject, type JsonObject, type JsonValue } from '../scim/resource.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import type { TenantContext } from '../tenancy/tenant.ts'

// Memory-hard (RFC 7914): 16 MiB for each guess, a few tens of milliseconds off the main thread.
const COST = { N: 16_384, r: 8, p: 1 }
const KEY_BYTES = 32

/** A salted hash in the form `$scrypt$n=…,r=…,p=…$salt$hash`, base64url; the password itself is kept nowhere. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const hash = await new Promise<Buffer>((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, KEY_BYTES, COST, (error, key) => (error ? reject(error) : resolve(key)))
  })
  const { N, r, p } = COST
  return `$scrypt$n=${N},r=${r},p=${p}$${salt.toString('base64url')}$${hash.toString('base64url')}`
}

/** Whether a type's `password` is kept as a hash, apart from the rest; that of a registered type is like any attribute. */
export const hasPassword = (type: ResourceType): boolean => type.name === 'User'

const refusal = () =>
  ScimError.invalidValue('passwords-refused', 'password: this tenant takes no passwords; leave the attribute out.')
const isPassword = (name: string) => /^(urn:ietf:params:scim:schemas:core:2\.0:User:)?password$/i.test(name)

/**
 * Applies the tenant's password setting to the body of a POST or PUT before anything else reads it: `drop` removes the
 * attribute, `refuse` refuses the body.
 */
export function bodyUnderPasswordPolicy(type: ResourceType, body: JsonValue, tenant: TenantContext): JsonValue {
  const { password } = tenant.settings
  if (password === 'hash' || !hasPassword(type) || !isObject(body) || !Object.keys(body).some(isPassword)) return body
  if (password === 'refuse') throw refusal()
  return withoutPassword(body)
}

/** The same for PATCH operations, by path or inside a value. */
export function operationsUnderPasswordPolicy(
  type: ResourceType,
  operations: readonly PatchOperation[],
  tenant: TenantContext,
): readonly PatchOperation[] {
  const { password } = tenant.settings
  if (password === 'hash' || !hasPassword(type)) return operations
  const kept = operations.flatMap((operation): PatchOperation[] => {
    if (operation.path) return isPassword(operation.path.attribute.name) ? [] : [operation]
    const { value } = operation
    if (!isObject(value) || !Object.keys(value).some(isPassword)) return [operation]
    return [{ ...operation, value: withoutPassword(value) }]
  })
  const touched = kept.length !== operations.length || kept.some((operation, i) => operation !== operations[i])
  if (touched && password === 'refuse') throw refusal()
  return kept
}

/** Whether the operations remove the password, which is no part of the resource that they are applied to. */
export const removesPassword = (operations: readonly PatchOperation[]): boolean =>
  operations.findLast(({ path, value }) =>
    path ? isPassword(path.attribute.name) : isObject(value) && Object.keys(value).some(isPassword),
  )?.op === 'remove'

const withoutPassword = (body: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(body).filter(([name]) => !isPassword(name)))
