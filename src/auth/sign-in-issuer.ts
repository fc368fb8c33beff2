import type * as OpenId from 'openid-client'
import { type Networks, ownAddressProblem } from '../network/delivery-address.ts'
import { type PublicClient, publicClient, textUpTo } from '../network/public-client.ts'
import type { ConsoleSignIn } from '../tenancy/console-sign-in.ts'

/** A sign-in that was begun and has not come back. Whoever knows it can finish it, so it stays with the browser, sealed. */
export interface SignInAttempt {
  readonly state: string
  readonly nonce: string
  readonly codeVerifier: string
  /** Where the issuer sends the browser back to. */
  readonly redirectUri: string
}

/** Who has signed in, as the issuer says. */
export interface Person {
  readonly subject: string
  readonly name: string
  readonly email: string | null
  /** All that the claim has. */
  readonly values: readonly string[]
  /** By which the issuer knows whom to sign out; null where it is too long for that. */
  readonly idToken: string | null
}

/** Why nobody has signed in: the issuer cannot be asked, the issuer or the person said no, or what came back proves nothing. */
export interface SignInFailure {
  readonly problem: 'unreachable' | 'declined' | 'unproven'
  /** A word for the operator, without data of a person. */
  readonly reason: string
}

const ASK_MS = 5_000
const MAX_ANSWER_BYTES = 262_144
const CLOCK_TOLERANCE_S = 30
/** For how long what the issuer says of itself is believed; and after a failure, how long nobody asks again. */
const KEPT_MS = 600_000
const COOL_DOWN_MS = 5_000
/** What is longer fits into no address, and into no sensible page. */
const MAX_ID_TOKEN = 4_096
const MAX_NAME = 200
const MAX_VALUES = 1_000
/** OpenID Connect Core 1.0 §2: 255 ASCII characters. */
const SUBJECT = /^[ -~]{1,255}$/
/** What openid-client calls answers that are none. */
const NO_ANSWER = new Set(['OAUTH_RESPONSE_IS_NOT_CONFORM', 'OAUTH_RESPONSE_IS_NOT_JSON', 'OAUTH_TIMEOUT'])

/**
 * The OpenID provider by which people sign in to the console: authorization code with PKCE, state, nonce and the check of `iss`
 * (RFC 9207), by openid-client. The gateway asks it at public addresses alone, and at those in `networks`. It verifies the
 * signature of each ID token by the issuer's keys.
 *
 * openid-client is loaded for the first sign-in: most gateways have none.
 */
export class SignInIssuer {
  /** As people are shown it. */
  readonly host: string
  readonly settings: ConsoleSignIn
  readonly #networks: Networks
  readonly #client: PublicClient
  readonly #failed: (failure: SignInFailure) => void
  #known: { readonly configuration: Promise<OpenId.Configuration>; readonly until: number } | undefined

  /** @param failed told of each sign-in that failed */
  constructor(settings: ConsoleSignIn, networks: Networks, failed: (failure: SignInFailure) => void = () => {}) {
    this.settings = settings
    this.host = new URL(settings.issuer).host
    this.#networks = networks
    // No connection is kept: people sign in a few times a day.
    this.#client = publicClient(networks, ASK_MS, undefined, { pipelining: 0 })
    this.#failed = failed
  }

  /** Begins a sign-in: where to send the browser, and what to remember until it comes back. */
  async begin(
    redirectUri: string,
  ): Promise<{ readonly url: string; readonly attempt: SignInAttempt } | { readonly failure: SignInFailure }> {
    const configuration = await this.#configuration()
    if ('problem' in configuration) return { failure: this.#told(configuration) }
    const openid = await import('openid-client')
    const [state, nonce, codeVerifier] = [openid.randomState(), openid.randomNonce(), openid.randomPKCECodeVerifier()]
    const url = openid.buildAuthorizationUrl(configuration, {
      ...{ redirect_uri: redirectUri, scope: this.settings.scopes, state, nonce },
      ...{ code_challenge: await openid.calculatePKCECodeChallenge(codeVerifier), code_challenge_method: 'S256' },
    })
    return { url: url.href, attempt: { state, nonce, codeVerifier, redirectUri } }
  }

  /** Who has signed in, by what the issuer sent the browser back with. @param query of that address, with its question mark */
  async finish(
    { state, nonce, codeVerifier, redirectUri }: SignInAttempt,
    query: string,
  ): Promise<{ readonly person: Person } | { readonly failure: SignInFailure }> {
    const configuration = await this.#configuration()
    if ('problem' in configuration) return { failure: this.#told(configuration) }
    const openid = await import('openid-client')
    try {
      const tokens = await openid.authorizationCodeGrant(configuration, new URL(redirectUri + query), {
        ...{ expectedState: state, expectedNonce: nonce, pkceCodeVerifier: codeVerifier, idTokenExpected: true },
      })
      const proven = tokens.claims() as Claims
      const rest = this.#isWhole(proven) ? {} : await userInfo(openid, configuration, tokens.access_token, proven.sub)
      const person = this.#personOf({ ...rest, ...proven }, tokens.id_token)
      return person === undefined ? { failure: this.#told(NO_SUBJECT) } : { person }
    } catch (error) {
      return { failure: this.#told(failureOf(error)) }
    }
  }

  /** Where the issuer ends the person's session with it; undefined where it offers that nowhere, or cannot be asked. */
  async signOutUrl(idToken: string | null, back: string): Promise<string | undefined> {
    const configuration = await this.#configuration()
    if ('problem' in configuration || configuration.serverMetadata().end_session_endpoint === undefined)
      return undefined
    const openid = await import('openid-client')
    const hint = idToken === null ? {} : { id_token_hint: idToken }
    return openid.buildEndSessionUrl(configuration, { ...hint, post_logout_redirect_uri: back }).href
  }

  /** Asks the issuer what it says of itself; gives why that is not to be had, where it is not. */
  async look(): Promise<string | undefined> {
    const configuration = await this.#configuration()
    return 'problem' in configuration ? configuration.reason : undefined
  }

  async #configuration(): Promise<OpenId.Configuration | SignInFailure> {
    if (this.#known === undefined || this.#known.until <= Date.now()) {
      const configuration = this.#discover()
      this.#known = { configuration, until: Date.now() + KEPT_MS }
      configuration.catch(() => {
        this.#known = { configuration, until: Date.now() + COOL_DOWN_MS }
      })
    }
    return this.#known.configuration.catch((error) => ({ ...failureOf(error), problem: 'unreachable' as const }))
  }

  async #discover(): Promise<OpenId.Configuration> {
    const openid = await import('openid-client')
    const { issuer, clientId, clientSecret } = this.settings
    const byPost = (secret: string) => openid.ClientSecretPost(secret)
    const byHeader = (secret: string) => openid.ClientSecretBasic(secret)
    const authentication: OpenId.ClientAuth = (server, ...request) => {
      if (clientSecret === undefined) return openid.None()(server, ...request)
      // Where an issuer does not say, it takes the header (OpenID Connect Discovery 1.0 §3).
      const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
      const proof = methods.includes('client_secret_basic') ? byHeader : byPost
      return proof(clientSecret)(server, ...request)
    }
    const metadata = { [openid.clockTolerance]: CLOCK_TOLERANCE_S }
    return openid.discovery(new URL(issuer), clientId, metadata, authentication, {
      [openid.customFetch]: (url, options) => this.#ask(url, options),
      timeout: ASK_MS / 1_000,
      // What is not https is refused by its address, below.
      execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks],
    })
  }

  async #ask(url: string, { method, headers, body, signal }: OpenId.CustomFetchOptions): Promise<Response> {
    const problem = ownAddressProblem(url, this.#networks)
    if (problem !== undefined) throw new CannotAsk(`its address ${new URL(url).host} ${problem}`)
    const options = { method: method as 'GET' | 'POST', headers, ...(signal && { signal }) }
    const sent = body === undefined || body === null ? options : { ...options, body: String(body) }
    try {
      // Redirects are answers like any other that is not a success.
      const answer = await this.#client.request(url, sent)
      const text = await textUpTo(answer.body, MAX_ANSWER_BYTES)
      if (text === undefined) throw new CannotAsk('its answer is too long')
      const type = String(answer.headers['content-type'] ?? '')
      return new Response(text === '' ? null : text, { status: answer.statusCode, headers: { 'content-type': type } })
    } catch (error) {
      throw error instanceof CannotAsk ? error : new CannotAsk(reasonOf(error, signal))
    }
  }

  #told(failure: SignInFailure): SignInFailure {
    this.#failed(failure)
    return failure
  }

  /** Whether an ID token alone says all that is asked of a person. */
  #isWhole(claims: Claims): boolean {
    return claims.name !== undefined && claims.email !== undefined && this.#claimed(claims) !== undefined
  }

  #personOf(claims: Claims, idToken: string | undefined): Person | undefined {
    const { sub, name, preferred_username: login, email, email_verified: isVerified } = claims
    if (!SUBJECT.test(sub)) return undefined
    const claimed = this.#claimed(claims)
    // Whoever writes an address into a profile is not yet the one who reads what is sent there.
    const values = this.settings.claim === 'email' && isVerified !== true ? [] : [claimed].flat()
    return {
      ...{ subject: sub, name: shown(name) ?? shown(login) ?? shown(email) ?? sub, email: shown(email) ?? null },
      values: values.filter((value) => typeof value === 'string').slice(0, MAX_VALUES),
      idToken: idToken !== undefined && idToken.length <= MAX_ID_TOKEN ? idToken : null,
    }
  }

  /** The claim by its whole name, else by a way with dots, such as `realm_access.roles`. */
  #claimed(claims: Claims): unknown {
    const { claim } = this.settings
    if (Object.hasOwn(claims, claim)) return claims[claim]
    return claim.split('.').reduce<unknown>((value, name) => {
      const isObject = typeof value === 'object' && value !== null && Object.hasOwn(value, name)
      return isObject ? (value as Record<string, unknown>)[name] : undefined
    }, claims)
  }
}

interface Claims {
  readonly sub: string
  readonly [name: string]: unknown
}

const NO_SUBJECT: SignInFailure = { problem: 'unproven', reason: 'the subject is not 1 to 255 ASCII characters' }

/** The issuer cannot be asked. The reason is for the operator alone. */
class CannotAsk extends Error {}

/** More about a person than the ID token says, where the issuer tells it. */
async function userInfo(
  openid: typeof OpenId,
  configuration: OpenId.Configuration,
  token: string,
  subject: string,
): Promise<Readonly<Record<string, unknown>>> {
  if (configuration.serverMetadata().userinfo_endpoint === undefined) return {}
  return openid.fetchUserInfo(configuration, token, subject)
}

/** A text of a person's as pages and the audit trail may have it; undefined where it says nothing. */
function shown(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined
  const plain = text.replaceAll(/[\p{Cc}\p{Cs}\p{Cf}]+/gu, ' ').trim()
  return plain === '' ? undefined : [...plain].slice(0, MAX_NAME).join('')
}

function reasonOf(error: unknown, signal: AbortSignal | undefined): string {
  if (signal?.aborted) return `no answer in ${ASK_MS / 1_000} s`
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown }
  return typeof code === 'string' ? code : String(name)
}

/** What openid-client threw, in a word. It says what an issuer may say in a message, so messages stay out. */
function failureOf(thrown: unknown): SignInFailure {
  if (!(thrown instanceof Error)) throw thrown
  const { name, code, error, cause } = thrown as Error & { readonly code?: unknown; readonly error?: unknown }
  if (cause instanceof CannotAsk) return { problem: 'unreachable', reason: cause.message }
  if (typeof code === 'string' && NO_ANSWER.has(code)) return { problem: 'unreachable', reason: code }
  const said = /^[\w.-]{1,80}$/.exec(String(error ?? code ?? name))?.[0] ?? name
  return { problem: name === 'AuthorizationResponseError' ? 'declined' : 'unproven', reason: said }
}
