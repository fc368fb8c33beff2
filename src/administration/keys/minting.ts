import type { Permission, Principal, Scope } from '../../auth/principal.ts'
import { covers, mayGive } from '../../auth/principal.ts'
import type { ExternalIssuer } from '../../tenancy/trusted-issuers.ts'
import { Refusal } from '../refusal.ts'

const DAY_MS = 86_400_000
/** How long the secret of a key is good at the most, and unless it is said otherwise (SEC-07). */
export const LONGEST_LIFE_MS = 365 * DAY_MS

/** What a key can do, and where. */
export interface Reach {
  readonly scope: Scope
  readonly permissions: readonly Permission[]
}

/**
 * When a new secret ends: as wished, else in a year or after `life`. With `admin`, or when a token asks for it, it ends no later
 * than the key that asks. So the keys that an ended key has made cannot administer any longer.
 *
 * @throws {Refusal} 400 for a wish later than in a year, 403 for one later than the end of the asking key
 */
export function endOfLife(
  wish: Date | undefined,
  { permissions }: Pick<Reach, 'permissions'>,
  by: Principal,
  now: Date,
  life = LONGEST_LIFE_MS,
): Date {
  if (wish === undefined) return new Date(Math.min(now.getTime() + life, latestFor(by, permissions)))
  const latest = now.getTime() + LONGEST_LIFE_MS
  if (wish.getTime() > latest) throw badEnd(400, `must be within 365 days, by ${new Date(latest).toISOString()}`)
  if (by.expiresAt !== undefined && wish.getTime() > by.expiresAt) {
    const instead = 'leave it out, or ask with a key that lives longer'
    throw badEnd(403, `must not be after ${inWords(by.expiresAt)}, when the key that asks ends: ${instead}`)
  }
  return wish
}

const badEnd = (status: 400 | 403, message: string): Refusal =>
  new Refusal(status, `expiresAt ${message}.`, [{ path: 'expiresAt', message }])

const inWords = (moment: number): string => new Date(moment).toISOString()

/** Warnings about the end of a new key, where the request named none: that the key that asked ends sooner, or with it. */
export function endWarnings(wish: Date | undefined, expiresAt: Date, by: Principal): string[] {
  if (wish !== undefined || by.expiresAt === undefined || expiresAt.getTime() < by.expiresAt) return []
  if (expiresAt.getTime() > by.expiresAt)
    return [`The key that asked for it ends sooner, at ${inWords(by.expiresAt)}; this one goes on.`]
  const why = by.via === 'token' ? 'what an access token makes' : 'with "admin" it'
  return [`It ends at ${inWords(by.expiresAt)}, as the key that asked for it does: ${why} cannot live longer.`]
}

/** The latest end of what has these permissions and is asked for by `by`, in milliseconds since 1970. */
const latestFor = (by: Principal, permissions: readonly Permission[]): number =>
  (by.via === 'token' || permissions.includes('admin') ? by.expiresAt : undefined) ?? Number.POSITIVE_INFINITY

/**
 * A key cannot get a key that can do more, or in more places, than itself. A token, which passes through more hands than a key,
 * gets none with `admin` unless its key says so.
 *
 * @throws {Refusal} 403
 */
export function refuseWiderThan(by: Principal, { scope, permissions }: Reach): void {
  const lacking = permissions.find((permission) => !mayGive(by.permissions, permission))
  if (!covers(by.scope, scope)) throw new Refusal(403, 'A key cannot make a key that reaches further than itself.')
  if (lacking !== undefined)
    throw new Refusal(403, `A key cannot give the permission "${lacking}", which it does not have itself.`)
  if (by.via === 'token' && permissions.includes('admin') && !by.tokensMayMintAdminKeys) {
    const instead = 'use the API key itself, or set its tokensMayMintAdminKeys'
    throw new Refusal(403, `A token cannot give the permission "admin": ${instead}.`)
  }
}

/**
 * A key with `admin`, or a token, cannot add to a key that outlives it.
 *
 * @throws {Refusal} 403
 */
export function refuseOutliving(
  by: Principal,
  { permissions, expiresAt }: Pick<Reach, 'permissions'> & { readonly expiresAt: Date | null },
): void {
  const latest = latestFor(by, permissions)
  if ((expiresAt?.getTime() ?? Number.POSITIVE_INFINITY) <= latest) return
  const sooner = `The key that asks ends at ${inWords(latest)}, sooner than this one`
  throw new Refusal(403, `${sooner}: ask with a key that lives longer.`)
}

/**
 * To trust an issuer is to give the permissions of its tokens, so it takes a key that could give them to a key. How long is not
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
  refuseWiderThan(by, {
    scope,
    permissions: issuers.flatMap((issuer) => Object.values(issuer.permissions.values).flat()),
  })
}
