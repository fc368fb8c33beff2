import type { Permission, Principal, Scope } from '../context/principal.ts'
import { covers } from '../context/principal.ts'
import type { ExternalIssuer } from '../context/settings.ts'
import { Refusal } from './control.ts'

/** What a key can do, where, and until when; null is for ever. */
export interface Reach {
  readonly scope: Scope
  readonly permissions: readonly Permission[]
  readonly expiresAt: Date | null
}

/**
 * Nobody gets hold of a key that can do more, in more places or for longer than the key that asks for it.
 *
 * @throws {Refusal} 403
 */
export function refuseWiderThan(by: Principal, { scope, permissions, expiresAt }: Reach): void {
  const lacking = permissions.find((permission) => !by.permissions.has(permission))
  if (!covers(by.scope, scope)) throw new Refusal(403, 'A key cannot make a key that reaches further than itself.')
  if (lacking !== undefined)
    throw new Refusal(403, `A key cannot give the permission "${lacking}", which it does not have itself.`)
  if (by.expiresAt !== undefined && (expiresAt === null || expiresAt.getTime() > by.expiresAt)) {
    const until = new Date(by.expiresAt).toISOString()
    throw new Refusal(403, `A key cannot make a key that lives longer than itself; it expires at ${until}.`)
  }
}

/**
 * To trust an issuer is to give what its tokens may do, for ever: nobody gives so what they could not give with a key.
 *
 * @throws {Refusal} 403
 */
export function refuseWiderTrust(
  by: Principal,
  scope: Scope,
  settings: { readonly externalIssuers?: readonly ExternalIssuer[] | null | undefined } | undefined,
): void {
  const issuers = settings?.externalIssuers ?? []
  if (issuers.length === 0) return
  const permissions = issuers.flatMap((issuer) => Object.values(issuer.permissions.values).flat())
  refuseWiderThan(by, { scope, permissions, expiresAt: null })
}
