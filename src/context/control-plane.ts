import { isDeepStrictEqual } from 'node:util'
import { type AccessToken, AccessTokens, isJwt } from '../auth/access-token.ts'
import { hashApiKey, isApiKeyId, parseApiKey, sameHash } from '../auth/api-key.ts'
import type { Authentication, BadKey } from '../auth/authenticate.ts'
import { authenticate } from '../auth/authenticate.ts'
import type { EnvironmentPlace, Principal } from '../auth/principal.ts'
import { CONFIGURED_ADMIN, idsOf } from '../auth/principal.ts'
import { credentialOf, type KnownSecret, type StoredKey, type StoredSecret } from '../auth/stored-key.ts'
import type { EnvironmentId, ProjectId } from '../place-ids.ts'
import { Keyring } from '../signing/keyring.ts'
import { foldKey, isKeyOrId, isUuid } from '../tenancy/scim-path.ts'
import { ConfirmedCache } from './confirmed-cache.ts'
import type { ControlStore, IssuingPlace, KnownEnvironment, KnownProject, KnownTenant } from './control-store.ts'
import { KeyUses } from './key-uses.ts'

type Refused = Extract<Authentication, { challenge: unknown }>
type AuthenticatedKey = Exclude<Authentication, Refused> & {
  /** The secret that was sent; undefined for the key of the configuration. */
  readonly secret: KnownSecret | undefined
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
  readonly #uses: KeyUses

  constructor(store: ControlStore, options: ControlPlaneOptions = {}) {
    this.#store = store
    const revision = store.shared ? () => store.revision() : undefined
    this.#cache = new ConfirmedCache(revision, options.clock ?? (() => performance.now()))
    this.#adminHash = options.adminKey === undefined ? undefined : hashApiKey(options.adminKey)
    this.#uses = new KeyUses(store, () => this.changed())
    this.tokens = new AccessTokens(new Keyring(store.signingKeys, store.secretBox))
  }

  /**
   * Who a request comes from, by its `Authorization` header; notes the use of the key, and by which `User-Agent`.
   *
   * @param issuer gives the origin that access tokens must be for; without it, access tokens are refused
   */
  async authenticate(
    header: string | undefined,
    client?: string,
    issuer?: () => string,
  ): Promise<AuthenticatedKey | Refused> {
    const now = Date.now()
    let secret: KnownSecret | undefined
    const lookUp = async (token: string): Promise<Principal | BadKey> => {
      const hash = hashApiKey(token)
      if (this.#adminHash !== undefined && sameHash(hash, this.#adminHash)) return CONFIGURED_ADMIN
      if (issuer !== undefined && isJwt(token)) {
        const verified = await this.tokens.verify(token, hash, issuer())
        if (typeof verified === 'string') return verified
        secret = await this.#secretUnder(verified, hash)
        if (secret === undefined) return 'token ended'
      } else {
        secret = await this.#secretOf(token, hash)
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
   * What `find` gives for `label`. It is remembered while it is certain that nothing has changed, and then given at once, not as
   * a promise.
   */
  known<T extends object>(label: string, find: () => Promise<T>): T | Promise<T> {
    return this.#cache.known(label, find)
  }

  /** The same, found anew; what was remembered under `label` is forgotten. */
  renewed<T extends object>(label: string, find: () => Promise<T>): Promise<T> {
    return this.#cache.renewed(label, find)
  }

  /** The key with this id, good or not. */
  async apiKey(id: string): Promise<StoredKey | undefined> {
    if (!isApiKeyId(id)) return undefined
    return this.#cache.remembered(`stored ${id}`, () => this.#store.apiKey(id))
  }

  /** False where the client assertion with this `jti` was used before; see `ControlStore`. */
  takeAssertion(keyId: string, jti: string, expiresAt: Date): Promise<boolean> {
    return this.#store.takeAssertion(keyId, jti, expiresAt)
  }

  async project(name: string): Promise<KnownProject | undefined> {
    return this.#named('project', '', name, (folded) => this.#store.project(folded))
  }

  async environment(projectId: ProjectId, name: string): Promise<KnownEnvironment | undefined> {
    return this.#named('environment', projectId, name, (folded) => this.#store.environment(projectId, folded))
  }

  async tenant(environmentId: EnvironmentId, name: string): Promise<KnownTenant | undefined> {
    return this.#named('tenant', environmentId, name, (folded) => this.#store.tenant(environmentId, folded))
  }

  /** Whether there is an environment, or a tenant, with this id. Without a key, a client may know no more of it. */
  async isPlace(kind: IssuingPlace, id: string): Promise<boolean> {
    // As it is written in the issuer, and in no other way.
    if (!isUuid(id) || id !== id.toLowerCase()) return false
    const find = async () => ((await this.#store.isPlace(kind, id)) ? { id } : undefined)
    return (await this.#cache.remembered(`place ${kind} ${id}`, find)) !== undefined
  }

  async createTenant(place: EnvironmentPlace, key: string, actor: string): Promise<KnownTenant | undefined> {
    const tenant = await this.#store.createTenant(place, key, actor)
    if (tenant !== undefined) this.changed()
    return tenant
  }

  /** Forgets everything. To be called after each change that this process makes, once it is committed. */
  changed(): void {
    this.#cache.forget()
  }

  /** Writes down when keys were last used, and ends what waited for that. What cannot be written is kept for the next time. */
  flushKeyUse(): Promise<void> {
    return this.#uses.flush()
  }

  /** Ends the timer and writes what is left. */
  stop(): Promise<void> {
    return this.flushKeyUse()
  }

  async #secretOf(token: string, hash: string): Promise<KnownSecret | undefined> {
    const id = parseApiKey(token)
    if (id === undefined) return undefined
    return this.#cache.remembered(`key ${hash}`, async () => {
      const stored = await this.#store.apiKey(id)
      let found: StoredSecret | undefined
      // All are compared, so that the time does not tell which of them it was.
      for (const secret of stored?.secrets ?? []) if (sameHash(secret.hash, hash)) found = secret
      return stored && found && { ...found, revoked: stored.revoked }
    })
  }

  /** The secret on which an access token rests, narrowed to what the token says. */
  async #secretUnder(token: AccessToken, hash: string): Promise<KnownSecret | undefined> {
    return this.#cache.remembered(`token ${hash}`, async () => {
      const stored = await this.apiKey(token.keyId)
      const found = stored && credentialOf(stored, token.credential)
      if (stored === undefined || found === undefined) return undefined
      const { principal } = found
      if (!isDeepStrictEqual(idsOf(principal.scope), token.place)) return undefined
      const permissions = new Set(token.permissions.filter((permission) => principal.permissions.has(permission)))
      const endsAt = Math.min(token.expiresAt, found.endsAt ?? Number.POSITIVE_INFINITY)
      return { ...found, principal: { ...principal, permissions, via: 'token' }, endsAt, revoked: stored.revoked }
    })
  }

  async #named<T extends object>(
    kind: string,
    parent: string,
    name: string,
    find: (folded: string) => Promise<T | undefined>,
  ) {
    if (!isKeyOrId(name)) return undefined
    const folded = foldKey(name)
    return this.#cache.remembered(`${kind} ${parent} ${folded}`, () => find(folded))
  }
}
