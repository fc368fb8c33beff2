import { domainToASCII } from 'node:url'
import { z } from 'zod'
import { fold } from '../scim/comparable.ts'
import { isObject, type JsonObject, type JsonValue } from '../scim/resource.ts'

/** By what a user may be the same person as an account, in the order in which it counts. */
export const SAME_BY = ['externalId', 'userName', 'email'] as const
export type SameBy = (typeof SAME_BY)[number]

/** When a user of the directory is the same person as an account of the application, and what is done then. */
export const adoption = z.strictObject({
  /** `userName` and `email` count where the domain is one that the tenant has verified. */
  sameBy: z
    .array(z.enum(SAME_BY))
    .max(SAME_BY.length)
    .default([...SAME_BY])
    .readonly(),
  /** What becomes of a new user who is the same person as an account. */
  match: z.enum(['adopt', 'queue', 'refuse']).default('adopt'),
  /** What becomes of a new user who may be the same person. */
  doubt: z.enum(['queue', 'refuse']).default('queue'),
  /** What becomes of a create whose `userName` a user of the directory has. */
  existingUser: z.enum(['refuse', 'adopt']).default('refuse'),
})
export type Adoption = z.infer<typeof adoption>

export const DEFAULT_ADOPTION: Adoption = Object.freeze(adoption.parse({}))

/** A value by which a user may be found among accounts. */
export interface Claim {
  /** Its place in `SAME_BY`, from 1; further e-mail addresses come behind. */
  readonly rank: 1 | 2 | 3 | 4
  /** An externalId, or a name or an address that somebody goes by. */
  readonly kind: 'id' | 'name'
  readonly value: string
  /** Whether an account with this value is the same person; otherwise it may be. */
  readonly proves: boolean
}

/** A domain as DNS has it, in ASCII; undefined where the text is none. */
export function domainName(text: string): string | undefined {
  const ascii = domainToASCII(text.trim().replace(/\.$/, '')).toLowerCase()
  return DOMAIN.test(ascii) && ascii.length <= 253 ? ascii : undefined
}
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** The domain of an e-mail address; undefined where the text is no address. */
export function domainOf(address: string): string | undefined {
  const at = address.lastIndexOf('@')
  return at < 1 ? undefined : domainName(address.slice(at + 1))
}

/** A name or an address in the form in which both are compared: without regard to case, and the domain as DNS has it. */
export function nameKey(text: string): string {
  const domain = domainOf(text)
  return domain === undefined ? fold(text) : `${fold(text.slice(0, text.lastIndexOf('@')))}@${domain}`
}

/** Longer values do not fit into an index entry. */
const MAX_KEY_BYTES = 1_000
/** So many e-mail addresses of a user are looked up. */
const MOST_ADDRESSES = 10

/** Whether a value can be looked up. */
export const isKey = (value: string): boolean => value !== '' && Buffer.byteLength(value) <= MAX_KEY_BYTES

/**
 * By what a user may be the same person as an account.
 *
 * @param domains those that the tenant has verified
 */
export function claimsOf(user: JsonObject, { sameBy }: Adoption, domains: readonly string[]): Claim[] {
  const claims = new Map<string, Claim>()
  const claim = (rank: Claim['rank'], kind: Claim['kind'], text: JsonValue | undefined, proves: boolean) => {
    if (typeof text !== 'string') return
    const value = kind === 'id' ? text : nameKey(text)
    const known = claims.get(`${kind} ${value}`)
    if (isKey(value) && (known === undefined || (proves && !known.proves)))
      claims.set(`${kind} ${value}`, { rank, kind, value, proves })
  }
  const isOwn = (text: JsonValue | undefined): boolean =>
    typeof text === 'string' && domains.includes(domainOf(text) ?? '')
  claim(1, 'id', user.externalId, sameBy.includes('externalId'))
  claim(2, 'name', user.userName, sameBy.includes('userName') && isOwn(user.userName))
  const [primary, others] = addressesOf(user)
  claim(3, 'name', primary, sameBy.includes('email') && isOwn(primary))
  for (const address of others.slice(0, MOST_ADDRESSES)) claim(4, 'name', address, false)
  return [...claims.values()]
}

/** The primary e-mail address, which is the only one where none is called so, and the others. */
function addressesOf({ emails }: JsonObject): [primary: JsonValue | undefined, others: JsonValue[]] {
  const all = (Array.isArray(emails) ? emails : []).filter(isObject)
  const primary = all.find((one) => one.primary === true) ?? (all.length === 1 ? all[0] : undefined)
  return [primary?.value, all.flatMap((one) => (one === primary || one.value === undefined ? [] : [one.value]))]
}
