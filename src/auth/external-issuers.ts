import { createRemoteJWKSet, customFetch, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { LRUCache } from 'lru-cache'
import { addressProblem, type Networks } from '../network/delivery-address.ts'
import { type PublicClient, publicClient, textUpTo } from '../network/public-client.ts'
import { describeClient } from '../network/user-agent.ts'
import type { ClientAlgorithm } from '../signing/client-key.ts'
import type { ExternalIssuer } from '../tenancy/trusted-issuers.ts'
import type { Permission } from './principal.ts'

/** What a token of an external issuer proves. */
export interface ExternalIdentity {
  /** Who asks, for logs and the trail: `issuer:`, the name of the issuer in the settings, and the token's subject. */
  readonly name: string
  readonly permissions: ReadonlySet<Permission>
  /** Milliseconds since 1970: when the token expires, or the issuer is to be asked whether its key is still one of its own. */
  readonly goodUntil: number
}

/** What a JWT must be: from whom, for whom where that is asked, signed how, and what it must say. */
export interface Expected {
  readonly issuer: string
  readonly audience?: string | undefined
  readonly jwksUri: string
  readonly algorithms: readonly ClientAlgorithm[]
  /** Claims that it must have, beside `iss`, `exp` and `sub`. */
  readonly required?: readonly string[]
  /** The `typ` of its header; any where it is undefined. */
  readonly typ?: string
}

/** The claims of a JWT that its issuer has signed. */
export interface Proof {
  readonly payload: JWTPayload & { readonly sub: string; readonly exp: number }
  /** Milliseconds since 1970: when the issuer is to be asked whether its key is still one of its own. */
  readonly keysGoodUntil: number
}

/** Why a JWT proves nothing: the claim that is wrong though the signature is good; or the gateway cannot get the issuer's keys. */
export type NoProof = { readonly wrong: string } | 'nothing' | 'no keys'

/** The keys of one address. */
interface KnownKeys {
  readonly set: ReturnType<typeof createRemoteJWKSet>
  /** When they were asked for, in milliseconds since 1970. */
  fetchedAt: number
}

const FETCH_MS = 5_000
const MAX_JWKS_BYTES = 262_144
// From the moment of asking: a key that its issuer has withdrawn is believed no longer than this.
const JWKS_KEPT_MS = 600_000
// Both for unknown key ids and for addresses that give no keys.
const COOL_DOWN_MS = 30_000
/** By how much the clocks of issuers may be wrong. */
export const CLOCK_TOLERANCE_S = 30
/** After so many seconds the gateway asks for keys again where there were none. */
export const ASKED_AGAIN_AFTER_S = COOL_DOWN_MS / 1000
const LONGEST_LIFE_S = 24 * 3600
const MAX_TOKEN_LENGTH = 8192
const MAX_ISSUERS = 500
const TELL_EVERY_MS = 600_000

/**
 * Verifies the JWTs of issuers that a tenant trusts: issuer, audience, pinned algorithms, times with 30 seconds of tolerance,
 * and a signature by a key of the issuer's JWKS. The JWKS is fetched from public addresses and from those in `networks` alone. It
 * is kept for ten minutes, as is what it proves. An unknown key id, or a failure, has it fetched again once in half a minute.
 * The operator is told of failures; the client is not.
 */
export class ExternalIssuers {
  readonly #networks: Networks
  readonly #client: PublicClient
  readonly #now: () => number
  readonly #keys = new LRUCache<string, KnownKeys>({ max: MAX_ISSUERS })
  readonly #askedAt = new LRUCache<string, number>({ max: MAX_ISSUERS })
  readonly #toldAt = new LRUCache<string, number>({ max: MAX_ISSUERS })
  readonly #unreachable: (jwksUri: string, reason: string) => void

  /**
   * @param unreachable told why the keys at an address are not to be had, once in ten minutes while that is so; the address
   *   comes without its query
   * @param now milliseconds since 1970; for tests
   */
  constructor(
    networks: Networks,
    unreachable: (jwksUri: string, reason: string) => void = () => {},
    now: () => number = () => Date.now(),
  ) {
    this.#networks = networks
    this.#unreachable = unreachable
    // No connection is kept: this is a request in ten minutes.
    this.#client = publicClient(networks, FETCH_MS, undefined, { pipelining: 0 })
    this.#now = now
  }

  /** Who `token` is from, by an issuer whose name it bears; undefined where it proves nothing. */
  async verify(token: string, issuer: ExternalIssuer): Promise<ExternalIdentity | undefined> {
    const proof = await this.prove(token, issuer)
    if (typeof proof === 'string' || 'wrong' in proof) return undefined
    const { payload, keysGoodUntil } = proof
    const { exp, sub } = payload
    if (exp > this.#now() / 1000 + LONGEST_LIFE_S) return undefined
    return {
      name: nameOf(issuer, sub),
      permissions: permissionsOf(payload, issuer.permissions),
      goodUntil: Math.min((exp + CLOCK_TOLERANCE_S) * 1000, keysGoodUntil),
    }
  }

  /** What a JWT says that its issuer has signed, or why it proves nothing. */
  async prove(token: string, expected: Expected): Promise<Proof | NoProof> {
    if (token.length > MAX_TOKEN_LENGTH) return 'nothing'
    const { issuer, audience, jwksUri, algorithms, required = [], typ } = expected
    const keys = this.#keysOf(jwksUri)
    try {
      const find: JWTVerifyGetKey = async (header, signed) => {
        if (this.#now() >= keys.fetchedAt + JWKS_KEPT_MS) await keys.set.reload()
        return keys.set(header, signed)
      }
      const { payload } = await jwtVerify(token, find, {
        ...{ issuer, ...(audience !== undefined && { audience }), algorithms: [...algorithms], ...(typ && { typ }) },
        ...{ clockTolerance: CLOCK_TOLERANCE_S, currentDate: new Date(this.#now()) },
        requiredClaims: ['exp', 'sub', ...required],
      })
      const { exp = 0, sub = '' } = payload
      return { payload: { ...payload, exp, sub }, keysGoodUntil: keys.fetchedAt + JWKS_KEPT_MS }
    } catch (error) {
      // Where the last question was answered, the key that was looked for is none of the issuer's.
      if (error instanceof CannotFetch) return this.#askedAt.get(jwksUri) === keys.fetchedAt ? 'nothing' : 'no keys'
      // The package looks at claims once the signature is good.
      if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired)
        return { wrong: error.claim }
      if (error instanceof errors.JOSEError) return 'nothing'
      throw error
    }
  }

  /** Asks an address for keys now, even if it answered before: how many there are, or why the gateway cannot fetch them. */
  async look(uri: string): Promise<{ readonly keys: number } | { readonly problem: string }> {
    const signal = AbortSignal.timeout(FETCH_MS)
    try {
      return { keys: keysIn(await this.#ask(uri, signal)) ?? 0 }
    } catch (error) {
      return { problem: reasonOf(error, signal) }
    }
  }

  #keysOf(uri: string): KnownKeys {
    const known = this.#keys.get(uri)
    if (known !== undefined) return known
    // Our clock decides how old keys may be, and when to ask for them again; the package's does not.
    const set = createRemoteJWKSet(new URL(uri), {
      ...{ cacheMaxAge: Number.POSITIVE_INFINITY, cooldownDuration: 0, timeoutDuration: FETCH_MS },
      [customFetch]: async (_, { signal }) => {
        const asked = this.#now()
        const answer = await this.#fetch(uri, signal, asked)
        keys.fetchedAt = asked
        return answer
      },
    })
    const keys: KnownKeys = { set, fetchedAt: Number.NEGATIVE_INFINITY }
    this.#keys.set(uri, keys)
    return keys
  }

  async #fetch(uri: string, signal: AbortSignal, now: number): Promise<Response> {
    if (now - (this.#askedAt.get(uri) ?? Number.NEGATIVE_INFINITY) < COOL_DOWN_MS) throw new CannotFetch()
    this.#askedAt.set(uri, now)
    try {
      const text = await this.#ask(uri, signal)
      this.#toldAt.delete(uri)
      return new Response(text, { status: 200 })
    } catch (error) {
      this.#tell(uri, reasonOf(error, signal), now)
      throw new CannotFetch()
    }
  }

  async #ask(uri: string, signal: AbortSignal): Promise<string> {
    const problem = addressProblem(uri, this.#networks)
    if (problem !== undefined) throw new CannotFetch(problem)
    // Redirects are answers like any other that is not a success.
    const answer = await this.#client.request(uri, { method: 'GET', headers: { Accept: 'application/json' }, signal })
    const text = await textUpTo(answer.body, MAX_JWKS_BYTES)
    if (text === undefined) throw new CannotFetch('its answer is too long')
    if (answer.statusCode !== 200) throw new CannotFetch(`it answers ${answer.statusCode}`)
    if (keysIn(text) === undefined) throw new CannotFetch('its answer is no JWKS')
    return text
  }

  #tell(uri: string, reason: string, now: number): void {
    if (now - (this.#toldAt.get(uri) ?? Number.NEGATIVE_INFINITY) < TELL_EVERY_MS) return
    this.#toldAt.set(uri, now)
    const { origin, pathname } = new URL(uri)
    this.#unreachable(origin + pathname, reason)
  }
}

/** What stands in the place of a key's id for the sender of a token: `issuer:`, the issuer's name in the settings, and the subject. */
export const nameOf = ({ name }: Pick<ExternalIssuer, 'name'>, subject: string): string =>
  describeClient(`issuer:${name}:${subject}`) ?? `issuer:${name}`

/** The gateway cannot fetch the issuer's keys. The reason is told to the operator alone. */
class CannotFetch extends Error {}

/** What may be told of a failed request: our own words, or the code of what the network said. */
function reasonOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return `no answer in ${FETCH_MS / 1000} s`
  if (error instanceof CannotFetch) return error.message
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown }
  return typeof code === 'string' ? code : String(name)
}

/** How many keys a JWKS has; undefined for what is none. */
function keysIn(text: string): number | undefined {
  try {
    const { keys } = (JSON.parse(text) ?? {}) as { readonly keys?: unknown }
    return Array.isArray(keys) ? keys.length : undefined
  } catch {
    return undefined
  }
}

/** The claim's values, as a list or as text with spaces between, each with what it stands for; others stand for nothing. */
function permissionsOf(payload: JWTPayload, { claim, values }: ExternalIssuer['permissions']): ReadonlySet<Permission> {
  const claimed: unknown = Object.hasOwn(payload, claim) ? payload[claim] : undefined
  const names = typeof claimed === 'string' ? claimed.split(' ') : Array.isArray(claimed) ? claimed : []
  return new Set(
    names.flatMap((name: unknown) =>
      typeof name === 'string' && Object.hasOwn(values, name) ? (values[name] ?? []) : [],
    ),
  )
}
