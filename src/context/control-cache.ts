import { LRUCache } from 'lru-cache'
import { ScimError } from '../scim/errors.ts'
import type { Definition } from '../scim/schema/definitions.ts'
import { type AccessToken, AccessTokens, isJwt } from './access-token.ts'
import { hashApiKey, isApiKeyId, parseApiKey, sameHash } from './api-key.ts'
import type { Authentication, BadKey } from './authenticate.ts'
import { authenticate } from './authenticate.ts'
import type { ClientKey } from './client-key.ts'
import { KeyUses } from './key-uses.ts'
import { Keyring, type SigningKeyStore } from './keyring.ts'
import type { EnvironmentPlace, Principal } from './principal.ts'
import { CONFIGURED_ADMIN, sameScope } from './principal.ts'
import { foldKey, isKeyOrId } from './scim-path.ts'
import type { SecretBox } from './secret-box.ts'
import type { EnvironmentSettings, TenantSettings } from './settings.ts'

/** An API key as stored: one secret, or two while it is rotated, and the public keys that stand beside them. */
export interface StoredKey {
  readonly revoked: boolean
  readonly secrets: readonly StoredSecret[]
  readonly publicKeys: readonly StoredPublicKey[]
}

/** A public key of a client that signs for itself. */
export interface StoredPublicKey extends ClientKey {
  readonly principal: Principal
}

export interface StoredSecret {
  /** Who its holder is. */
  readonly principal: Principal
  /** 0 where a public key stands in its place. */
  readonly version: number
  readonly hash: string
  /** Thumbprint of that public key. */
  readonly publicKey?: string
  /** When a rotation puts an end to it, in milliseconds since 1970; of an access token, when that expires if it does before. */
  readonly endsAt: number | undefined
  /** True when its use puts an end to the secret before it. */
  readonly endsOthers: boolean
}

/** One use of a secret. */
export interface KeyUse {
  readonly id: string
  readonly version: number
  /** Thumbprint of the public key that was used in place of a secret. */
  readonly publicKey?: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** Name of the client: printable and short, null where it gave none. */
  readonly client: string | null
}

/** What a token was found to be. */
export type KnownSecret = StoredSecret & Pick<StoredKey, 'revoked'>

type Refused = Extract<Authentication, { challenge: unknown }>
type AuthenticatedKey = Exclude<Authentication, Refused> & {
  /** The secret that was sent; undefined for the key of the configuration. */
  readonly secret: KnownSecret | undefined
}

export interface KnownProject {
  readonly id: string
  readonly key: string
  readonly paused: boolean
}

export interface KnownEnvironment {
  readonly id: string
  readonly key: string
  readonly settings: EnvironmentSettings
  readonly paused: boolean
  /** Schemas and resource types that all of its tenants have beside the built-in ones. */
  readonly definitions: readonly Definition[]
  /** Event URIs of the Security Event Tokens that are delivered of all of its tenants. */
  readonly eventUris?: readonly string[]
}

export interface KnownTenant {
  readonly id: string
  readonly key: string
  readonly settings: TenantSettings
  /** Schemas and resource types that it alone has. */
  readonly definitions: readonly Definition[]
  /** Event URIs of the Security Event Tokens that are delivered of it alone. */
  readonly eventUris?: readonly string[]
  readonly paused: boolean
}

/** Where the control plane is kept. Names are keys or ids; letter case does not count. */
export interface ControlStore {
  /** False when this process alone writes to the store, so that nothing ever changes behind its back. */
  readonly shared: boolean
  /** Counts every change of the control plane. */
  revision(): Promise<number>
  apiKey(id: string): Promise<StoredKey | undefined>
  project(name: string): Promise<KnownProject | undefined>
  environment(projectId: string, name: string): Promise<KnownEnvironment | undefined>
  tenant(environmentId: string, name: string): Promise<KnownTenant | undefined>
  /**
   * Makes a tenant with `key`, or finds the one that another request has just made; undefined where the key is the endpoint
   * of a resource type. `actor` is the id of the API key that asked for it.
   */
  createTenant(place: EnvironmentPlace, key: string, actor: string): Promise<KnownTenant | undefined>
  /** Notes when keys were last used, in one statement. */
  recordKeyUse(uses: readonly KeyUse[]): Promise<void>
  /** Ends the secret before `version`, now that this one was seen in use. */
  endRotation(keyId: string, version: number): Promise<void>
  /** Takes note of a client assertion of this key until it expires; false where its `jti` is known already. */
  takeAssertion(keyId: string, jti: string, expiresAt: Date): Promise<boolean>
  /** The keys that sign access tokens, and what their private halves are sealed with. */
  readonly signingKeys: SigningKeyStore
  readonly secretBox: SecretBox
}

export interface ControlPlaneOptions {
  /** The admin key that the configuration gives, in any shape. */
  readonly adminKey?: string | undefined
  /** Milliseconds on a clock that never goes back; for tests. */
  readonly clock?: () => number
}

// A revocation must be felt within a second. An answer may rest on a confirmation half a second old, and one that took
// long to arrive may be a whole second old; beyond that it is asked for again, and at last given up.
const CONFIRMED_FOR_MS = 500
const CONFIRMATION_MAY_TAKE_MS = 1000
const ATTEMPTS = 3
const MAX_FOUND = 10_000
// Kept apart and small: a flood of guesses must not push out what is in use.
const MAX_MISSED = 1_000

/**
 * The control plane as requests see it: keys, projects, environments and tenants, from memory while it is certain that they
 * have not changed. Nothing is served on a confirmation older than a second; when none is to be had, look-ups throw.
 */
export class ControlPlane {
  /** Issues access tokens, and tells those of ours from others; whether one still stands, `authenticate` says. */
  readonly tokens: AccessTokens
  readonly #store: ControlStore
  readonly #clock: () => number
  readonly #adminHash: string | undefined
  readonly #found = new LRUCache<string, object>({ max: MAX_FOUND })
  readonly #missed = new LRUCache<string, true>({ max: MAX_MISSED })
  /** Counts how often the caches were dropped, so that a look-up under way at the time does not fill in what is past. */
  #generation = 0
  #revision: number | undefined
  #confirmedAt = Number.NEGATIVE_INFINITY
  #confirmation: Promise<void> | undefined
  readonly #uses: KeyUses

  constructor(store: ControlStore, options: ControlPlaneOptions = {}) {
    this.#store = store
    this.#clock = options.clock ?? (() => performance.now())
    this.#adminHash = options.adminKey === undefined ? undefined : hashApiKey(options.adminKey)
    this.#uses = new KeyUses(store, () => this.changed())
    this.tokens = new AccessTokens(new Keyring(store.signingKeys, store.secretBox))
  }

  /**
   * Who a request comes from, by its `Authorization` header; notes the use of the key, and by which `User-Agent`.
   *
   * @param issuer gives the origin that access tokens must be for; without it, they are not taken
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
   * What `find` gives for `label`, remembered as what the store gave is: while it is certain that nothing has changed. What
   * is known is given at once and not as a promise.
   */
  known<T extends object>(label: string, find: () => Promise<T>): T | Promise<T> {
    const certain = !this.#store.shared || this.#clock() - this.#confirmedAt < CONFIRMED_FOR_MS
    const cached = certain ? this.#found.get(label) : undefined
    return cached === undefined ? (this.#remembered(label, find) as Promise<T>) : (cached as T)
  }

  /** The key with this id, good or not. */
  async apiKey(id: string): Promise<StoredKey | undefined> {
    if (!isApiKeyId(id)) return undefined
    return this.#remembered(`stored ${id}`, () => this.#store.apiKey(id))
  }

  /** False where the client assertion with this `jti` was used before; see `ControlStore`. */
  takeAssertion(keyId: string, jti: string, expiresAt: Date): Promise<boolean> {
    return this.#store.takeAssertion(keyId, jti, expiresAt)
  }

  async project(name: string): Promise<KnownProject | undefined> {
    return this.#named('project', '', name, (folded) => this.#store.project(folded))
  }

  async environment(projectId: string, name: string): Promise<KnownEnvironment | undefined> {
    return this.#named('environment', projectId, name, (folded) => this.#store.environment(projectId, folded))
  }

  async tenant(environmentId: string, name: string): Promise<KnownTenant | undefined> {
    return this.#named('tenant', environmentId, name, (folded) => this.#store.tenant(environmentId, folded))
  }

  async createTenant(place: EnvironmentPlace, key: string, actor: string): Promise<KnownTenant | undefined> {
    const tenant = await this.#store.createTenant(place, key, actor)
    if (tenant !== undefined) this.changed()
    return tenant
  }

  /** Forgets everything. To be called after each change that this process makes, once it is committed. */
  changed(): void {
    this.#generation++
    this.#found.clear()
    this.#missed.clear()
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
    return this.#remembered(`key ${hash}`, async () => {
      const stored = await this.#store.apiKey(id)
      let found: StoredSecret | undefined
      // All are compared, so that the time does not tell which of them it was.
      for (const secret of stored?.secrets ?? []) if (sameHash(secret.hash, hash)) found = secret
      return stored && found && { ...found, revoked: stored.revoked }
    })
  }

  /** The secret on which an access token rests, narrowed to what the token says. */
  async #secretUnder(token: AccessToken, hash: string): Promise<KnownSecret | undefined> {
    return this.#remembered(`token ${hash}`, async () => {
      const stored = await this.apiKey(token.keyId)
      const found = stored && credentialOf(stored, token.credential)
      if (stored === undefined || found === undefined) return undefined
      const { principal } = found
      if (!sameScope(principal.scope, token.scope)) return undefined
      const permissions = new Set(token.permissions.filter((permission) => principal.permissions.has(permission)))
      const endsAt = Math.min(token.expiresAt, found.endsAt ?? Number.POSITIVE_INFINITY)
      return { ...found, principal: { ...principal, permissions }, endsAt, revoked: stored.revoked }
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
    return this.#remembered(`${kind} ${parent} ${folded}`, () => find(folded))
  }

  /** `find`, or what it gave before under the same `label`. A label's first word decides the type, so the cast holds. */
  async #remembered<T extends object>(label: string, find: () => Promise<T | undefined>): Promise<T | undefined> {
    if (this.#store.shared) await this.#confirm()
    const cached = this.#found.get(label)
    if (cached !== undefined) return cached as T
    if (this.#missed.has(label)) return undefined
    const generation = this.#generation
    const found = await find()
    if (generation === this.#generation) {
      if (found === undefined) this.#missed.set(label, true)
      else this.#found.set(label, found)
    }
    return found
  }

  async #confirm(): Promise<void> {
    if (this.#clock() - this.#confirmedAt < CONFIRMED_FOR_MS) return
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      this.#confirmation ??= this.#askForRevision().finally(() => {
        this.#confirmation = undefined
      })
      await this.#confirmation
      if (this.#clock() - this.#confirmedAt < CONFIRMATION_MAY_TAKE_MS) return
    }
    throw new ScimError(503, undefined, 'The store takes too long to confirm that API keys are still good; try again.')
  }

  async #askForRevision(): Promise<void> {
    // The answer holds for the moment of asking; it may have been read at once and travelled long.
    const asked = this.#clock()
    const revision = await this.#store.revision()
    if (revision !== this.#revision) this.changed()
    this.#revision = revision
    this.#confirmedAt = asked
  }
}

/**
 * The secret of this version, or what stands in its place for the public key with this thumbprint; undefined where the key has
 * it no longer.
 */
export function credentialOf(
  { secrets, publicKeys }: StoredKey,
  credential: number | string,
): StoredSecret | undefined {
  if (typeof credential === 'number') return secrets.find(({ version }) => version === credential)
  const found = publicKeys.find(({ thumbprint }) => thumbprint === credential)
  if (found === undefined) return undefined
  const { principal, thumbprint } = found
  const hash = `${principal.keyId} ${thumbprint}`
  return { principal, version: 0, hash, publicKey: thumbprint, endsAt: undefined, endsOthers: false }
}
