import type { Permission, Principal, Scope } from '../context/principal.ts'
import { covers } from '../context/principal.ts'
import type { ExternalIssuer } from '../context/settings.ts'
import { Refusal } from './control.ts'

const DAY_MS = 86_400_000
/** How long the secret of a key is good at the most, and unless it is said otherwise (SEC-07). */
export const LONGEST_LIFE_MS = 365 * DAY_MS

/**
 * When a secret ends that is made now: as wished, else in a year, and not after the key that asks for it.
 *
 * @throws {Refusal} 400 for an end later than in a year
 */
export function endOfLife(wish: Date | undefined, by: Pick<Principal, 'expiresAt'>, now: Date): Date {
  const latest = now.getTime() + LONGEST_LIFE_MS
  if (wish === undefined) return new Date(Math.min(latest, by.expiresAt ?? latest))
  if (wish.getTime() <= latest) return wish
  const message = `must be within 365 days, by ${new Date(latest).toISOString()}`
  throw new Refusal(400, `expiresAt ${message}.`, [{ path: 'expiresAt', message }])
}

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
 * To trust an issuer is to give what its tokens may do: nobody gives so what they could not give with a key. How long is not
 * asked, since every key ends and trust does not; the audit trail tells who gave it.
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
  refuseWiderThan({ ...by, expiresAt: undefined }, { scope, permissions, expiresAt: null })
}
