import { isDeepStrictEqual } from 'node:util'
import { type AccessToken, AccessTokens, isJwt } from '../auth/access-token.ts'
import { hashApiKey, isApiKeyId, parseApiKey, sameHash } from '../auth/api-key.ts'
import type { Authentication, BadKey } from '../auth/authenticate.ts'
import { authenticate } from '../auth/authenticate.ts'
import type { EnvironmentPlace, Principal, Scope } from '../auth/principal.ts'
import { CONFIGURED_ADMIN, idsOf, narrowestIdOf } from '../auth/principal.ts'
import { credentialOf, type KnownSecret, type StoredKey, type StoredSecret } from '../auth/stored-key.ts'
import type { EnvironmentId, TenantId } from '../place-ids.ts'
import { Keyring, type PublicJwk } from '../signing/keyring.ts'
import type { CatalogueEntry } from '../tenancy/catalogue.ts'
import { isUuid } from '../tenancy/scim-path.ts'
import type { CacheStats } from './cache-stats.ts'
import { ConfirmedCache, type Kept } from './confirmed-cache.ts'
import type { Answer, ControlStore, IssuingPlace, KnownTenant, LedTo, PlaceNames, Question } from './control-store.ts'
import { formerAddressNamed } from './former-address.ts'
import { KeyUses } from './key-uses.ts'
import { type KnownPlace, namesOf, PlacesInMemory } from './places-in-memory.ts'

type Refused = Extract<Authentication, { challenge: unknown }>
type AuthenticatedKey = Exclude<Authentication, Refused> & {
  /** The secret that was sent; undefined for the key of the configuration. */
  readonly secret: KnownSecret | undefined
}

/** What the store has told, and what is known of the place by that. */
interface Told {
  readonly answer: Answer
  readonly place: KnownPlace
}

export interface ControlPlaneOptions {
  /** The admin key that the configuration gives, in any shape. */
  readonly adminKey?: string | undefined
  /** Milliseconds on a clock that never goes back; for tests. */
  readonly clock?: () => number
}

/**
 * The control plane as requests see it: keys, projects, environments and tenants, from memory while it is certain that they
 * have not changed. Nothing is served on a confirmation older than a second; when none is to be had, look-ups throw.
 */
export class ControlPlane {
  /** Issues access tokens, and tells those of ours from others; whether one still stands, `authenticate` says. */
  readonly tokens: AccessTokens
  readonly #store: ControlStore
  readonly #adminHash: string | undefined
  readonly #cache: ConfirmedCache
  readonly #places: PlacesInMemory
  readonly #uses: KeyUses
  readonly #keyrings: readonly Keyring[]

  constructor(store: ControlStore, options: ControlPlaneOptions = {}) {
    this.#store = store
    this.#cache = new ConfirmedCache((since) => store.ask({ since }), store.shared, options.clock)
    this.#places = new PlacesInMemory(this.#cache)
    this.#adminHash = options.adminKey === undefined ? undefined : hashApiKey(options.adminKey)
    this.#uses = new KeyUses(store, () => this.changed())
    const keyring = new Keyring(store.signingKeys, store.secretBox)
    this.#keyrings = [keyring, new Keyring(store.rsaSigningKeys, store.secretBox)]
    this.tokens = new AccessTokens(keyring)
  }

  /** The public keys by which others verify access tokens and Security Event Tokens (RFC 7517 §5). */
  async jwks(): Promise<{ readonly keys: readonly PublicJwk[] }> {
    const sets = await Promise.all(this.#keyrings.map((keyring) => keyring.jwks()))
    return { keys: sets.flatMap(({ keys }) => keys) }
  }

  /** From now on asks for changes ahead of the requests, so that none of them has to wait for that. */
  start(): void {
    this.#cache.confirmAhead()
  }

  /**
   * Who a request comes from, by its `Authorization` header; notes the use of the key, and by which `User-Agent`.
   *
   * @param issuer gives the origin that access tokens must be for; without it, access tokens are refused
   * @param place is looked up in the same round trip where the key is good, for `place`
   */
  async authenticate(
    header: string | undefined,
    client?: string,
    issuer?: () => string,
    place?: PlaceNames,
  ): Promise<AuthenticatedKey | Refused> {
    const now = Date.now()
    let secret: KnownSecret | undefined
    const lookUp = async (token: string): Promise<Principal | BadKey> => {
      const hash = hashApiKey(token)
      if (this.#adminHash !== undefined && sameHash(hash, this.#adminHash)) return CONFIGURED_ADMIN
      if (issuer !== undefined && isJwt(token)) {
        const verified = await this.tokens.verify(token, hash, issuer())
        if (typeof verified === 'string') return verified
        secret = await this.#secretUnder(verified, place)
        if (secret === undefined) return 'token ended'
      } else {
        secret = await this.#secretOf(token, hash, place)
        if (secret === undefined) return 'unknown'
      }
      if (secret.revoked) return 'revoked'
      return secret.endsAt !== undefined && secret.endsAt <= now ? 'rotated' : secret.principal
    }
    const result = await authenticate(header, lookUp, now)
    if ('challenge' in result) return result
    this.noteUse(secret, client, now)
    return { ...result, secret }
  }

  /**
   * Notes that a secret is used, and by which `User-Agent`; says whether it is still good by its time.
   *
   * @param secret what `authenticate` gave; undefined for the key of the configuration
   * @param now milliseconds since 1970
   */
  noteUse(secret: KnownSecret | undefined, client: string | undefined, now = Date.now()): boolean {
    if (secret === undefined) return true
    const { principal, endsAt } = secret
    if (principal.expiresAt !== undefined && principal.expiresAt <= now) return false
    if (endsAt !== undefined && endsAt <= now) return false
    this.#uses.note(secret, client, now)
    return true
  }

  /**
   * What `find` gives for `label`. It is remembered until something that it depends on is changed, and then given at once, not
   * as a promise. Requests for the same share what is under way.
   */
  known<T extends object>(
    label: string,
    find: () => Promise<T>,
    kept: (found: T) => Omit<Kept, 'asOf'>,
  ): T | Promise<T> {
    return this.#cache.made(label, find, kept)
  }

  /** The same, found anew; what was remembered under `label` is forgotten. */
  renewed<T extends object>(label: string, find: () => Promise<T>, kept: (found: T) => Omit<Kept, 'asOf'>): Promise<T> {
    return this.#cache.renewed(label, find, kept)
  }

  /** The key with this id, good or not. */
  async apiKey(id: string): Promise<StoredKey | undefined> {
    return isApiKeyId(id) ? this.#storedKey(id) : undefined
  }

  /** False where the client assertion with this name was used before; see `ControlStore`. */
  takeAssertion(keyId: string, name: string, expiresAt: Date): Promise<boolean> {
    return this.#store.takeAssertion(keyId, name, expiresAt)
  }

  /**
   * The project, environment and tenant with these names, in one round trip where they are not in memory. They are looked up as
   * far as `reach` leads: what is beyond it is undefined, or told all the same.
   */
  async place(given: PlaceNames, reach: Scope): Promise<KnownPlace> {
    const names = namesOf(given)
    if (names === undefined) return {}
    const known = await this.#cache.certainly(() => this.#places.find(names))
    return known ?? (await this.#ask({ place: names, reach })).place
  }

  /** Whether there is an environment, or a tenant, with this id. Without a key, a client may know no more of it. */
  async isPlace(kind: IssuingPlace, id: string): Promise<boolean> {
    // As it is written in the issuer, and in no other way.
    if (!isUuid(id) || id !== id.toLowerCase()) return false
    const label = `place ${kind} ${id}`
    await this.#cache.confirmed()
    const known = this.#cache.get(label)
    if (known !== undefined) return known !== null
    const { since: asOf = 0 } = this.#cache.asking()
    const found = await this.#store.isPlace(kind, id)
    this.#cache.keep(label, found ? { id } : undefined, { dependsOn: [id], asOf, bytes: label.length })
    return found
  }

  /** Until when these names lead to the tenant from before one of its moves, in milliseconds since 1970; undefined where they do not. */
  async ledHereUntil(tenantId: TenantId, names: PlaceNames): Promise<number | undefined> {
    const { list } = await this.#cache.made(
      `former ${tenantId}`,
      async () => ({ list: await this.#store.formerAddresses(tenantId) }),
      ({ list }) => ({ dependsOn: [tenantId], bytes: 100 + 500 * list.length }),
    )
    return formerAddressNamed(list, tenantId, names)?.endsAt
  }

  /**
   * The tenant to which these names lead from before one of its moves, for requests that have no key of that tenant. Undefined where
   * they lead to none.
   */
  async ledFrom(given: PlaceNames): Promise<LedTo | undefined> {
    const names = namesOf(given)
    const { environment } = await this.place({ ...given, tenant: undefined }, { kind: 'instance' })
    if (environment === undefined || names?.tenant === undefined) return undefined
    const label = `led ${environment.id} ${names.tenant}`
    await this.#cache.confirmed()
    const known = this.#cache.get(label) as LedTo | null | undefined
    if (known !== undefined) return known !== null && known.endsAt > Date.now() ? known : undefined
    const { since: asOf = 0 } = this.#cache.asking()
    const found = await this.#store.ledFrom(environment.id, names.tenant)
    this.#cache.keep(label, found, { dependsOn: found ? [found.tenantId] : [], asOf, bytes: label.length + 200 })
    return found
  }

  /** The roles and entitlements that a place has published, as they are stored now. */
  catalogueEntries(environmentId: EnvironmentId, tenantId: TenantId | null): Promise<readonly CatalogueEntry[]> {
    return this.#store.catalogueEntries(environmentId, tenantId)
  }

  async createTenant(place: EnvironmentPlace, key: string, actor: string): Promise<KnownTenant | undefined> {
    const tenant = await this.#store.createTenant(place, key, actor)
    if (tenant !== undefined) this.changed()
    return tenant
  }

  /** Has what changed forgotten. To be called after each change that this process makes, once it is committed. */
  changed(): void {
    this.#cache.changed()
  }

  /** What is in memory. */
  stats(): CacheStats {
    return this.#cache.stats()
  }

  /** Writes down when keys were last used, and ends what waited for that. What cannot be written is kept for the next time. */
  flushKeyUse(): Promise<void> {
    return this.#uses.flush()
  }

  /** Ends the timers and writes what is left. When keys were last used is worth no failed stop where the store is away. */
  async stop(): Promise<void> {
    this.#cache.stop()
    await this.flushKeyUse().catch(() => undefined)
  }

  async #secretOf(token: string, hash: string, place: PlaceNames | undefined): Promise<KnownSecret | undefined> {
    const id = parseApiKey(token)
    if (id === undefined) return undefined
    const stored = await this.#storedKey(id, hash, place)
    let found: StoredSecret | undefined
    // All are compared, so that the time does not tell which of them it was.
    for (const secret of stored?.secrets ?? []) if (sameHash(secret.hash, hash)) found = secret
    return stored && found && { ...found, revoked: stored.revoked }
  }

  /** The secret on which an access token rests, narrowed to what the token says. */
  async #secretUnder(token: AccessToken, place: PlaceNames | undefined): Promise<KnownSecret | undefined> {
    const stored = isApiKeyId(token.keyId)
      ? await this.#storedKey(token.keyId, String(token.credential), place)
      : undefined
    const found = stored && credentialOf(stored, token.credential)
    if (stored === undefined || found === undefined) return undefined
    const { principal } = found
    if (!isDeepStrictEqual(idsOf(principal.scope), token.place)) return undefined
    const permissions = new Set(token.permissions.filter((permission) => principal.permissions.has(permission)))
    const endsAt = Math.min(token.expiresAt, found.endsAt ?? Number.POSITIVE_INFINITY)
    return { ...found, principal: { ...principal, permissions, via: 'token' }, endsAt, revoked: stored.revoked }
  }

  /** @param place is looked up along with a key that is not in memory, where `credential` is one of its own and good */
  async #storedKey(id: string, credential?: string, place?: PlaceNames): Promise<StoredKey | undefined> {
    const label = `key ${id}`
    const known = await this.#cache.certainly(() => this.#cache.get(label))
    if (known !== undefined) return (known as StoredKey | null) ?? undefined
    const names = credential === undefined || place === undefined ? undefined : namesOf(place)
    const { answer } = await this.#ask({ key: { id, credential }, place: names })
    const { value, bytes = 0 } = answer.key ?? {}
    const scope = value?.secrets[0]?.principal.scope
    // A key goes with its place.
    const home = scope && narrowestIdOf(scope)
    this.#cache.keep(label, value, { dependsOn: home ? [id, home] : [id], asOf: answer.last, bytes })
    return value
  }

  /** Asks the store, in one question for all who ask the same at once: hundreds of readers may come back with one key. */
  #ask(question: Question): Promise<Told> {
    return this.#cache.together(`ask ${JSON.stringify(question)}`, () => this.#askStore(question))
  }

  /** Asks the store, and remembers what it tells of places. */
  async #askStore(question: Question): Promise<Told> {
    const knownEnvironment = question.place && this.#places.environment(question.place)
    const asking = this.#cache.asking()
    const answer = await this.#store.ask({
      ...question,
      since: asking.since,
      knownEnvironment: knownEnvironment?.id,
    })
    this.#cache.heard(asking, answer)
    const place = question.place ? this.#places.keep(question.place, answer) : {}
    // The environment that was known when asked was changed meanwhile, or pushed out.
    return place === undefined ? this.#askStore(question) : { answer, place }
  }
}
