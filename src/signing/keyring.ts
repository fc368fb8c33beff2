import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import type { SecretBox } from './secret-box.ts'

/** The algorithms of our signatures. */
export type SigningAlgorithm = 'ES256' | 'RS256'
/** The one algorithm of access tokens; nothing else is looked at (RFC 8725 §3.1). */
export const SIGNING_ALGORITHM = 'ES256' satisfies SigningAlgorithm
/** The least that the CAEP Interoperability Profile takes. A longer key makes each signature several times as dear. */
const RSA_BITS = 2048
/**
 * Longest life of what is signed: for as long a key stays published after it has signed its last. Entra ID wants access tokens to
 * live an hour or more, and the CAEP Interoperability Profile no longer than one. Security Event Tokens live on, but are verified
 * when they come.
 */
export const SIGNED_FOR_MS = 60 * 60_000

/** The public half of a pair of keys (RFC 7517 §4). */
export type PublicJwk = JWK

/** A pair of keys as stored. */
export interface StoredSigningKey {
  /** 1 for the first, and one more for each that follows. */
  readonly generation: number
  readonly kid: string
  readonly publicJwk: PublicJwk
  /** The private half as a JWK, sealed for `kid`. */
  readonly sealed: string
  readonly createdAt: Date
}

interface OpenedSigningKey extends StoredSigningKey {
  readonly privateJwk: JWK
}

/** Where all instances keep their keys for one algorithm. */
export interface SigningKeyStore {
  readonly algorithm: SigningAlgorithm
  /** Newest first. */
  list(): Promise<readonly StoredSigningKey[]>
  /** Does nothing where another instance was first with this generation. */
  insert(key: StoredSigningKey): Promise<void>
  /** Forgets the keys of older generations. */
  deleteBefore(generation: number): Promise<void>
}

/** A key that signs. */
export interface SigningKey {
  readonly algorithm: SigningAlgorithm
  readonly kid: string
  readonly key: CryptoKey
}

interface Loaded {
  readonly at: number
  readonly signing: SigningKey
  readonly verifying: ReadonlyMap<string, CryptoKey>
  readonly jwks: readonly PublicJwk[]
}

const DAY_MS = 86_400_000
const SIGNS_FOR_MS = 30 * DAY_MS
// A new key is published before it signs, so that a verifier that keeps the list for a while has it in time.
const PUBLISHED_AHEAD_MS = DAY_MS
// For clocks that differ, and for instances that still use what they loaded a while ago.
const MARGIN_MS = 3_600_000
const LOADED_FOR_MS = 60_000
// However many unknown keys are named, the store is asked no more often than this.
const COOL_DOWN_MS = 5_000

/**
 * The keys of one algorithm that sign access tokens or Security Event Tokens, the same for all instances. Every 30 days the first instance to
 * notice makes a new one. It is published for a day before it signs, and its predecessor until its last token has expired.
 */
export class Keyring {
  readonly #store: SigningKeyStore
  readonly #box: SecretBox
  readonly #now: () => number
  #loaded: Loaded | undefined
  #loading: Promise<Loaded> | undefined

  /** @param now milliseconds since 1970 */
  constructor(store: SigningKeyStore, box: SecretBox, now: () => number = Date.now) {
    this.#store = store
    this.#box = box
    this.#now = now
  }

  /** The key to sign with. */
  async signing(): Promise<SigningKey> {
    return (await this.#fresh(LOADED_FOR_MS)).signing
  }

  /** The key to verify with; undefined where none of ours has this id. */
  async verifying(kid: string): Promise<CryptoKey | undefined> {
    const known = (await this.#fresh(LOADED_FOR_MS)).verifying.get(kid)
    return known ?? (await this.#fresh(COOL_DOWN_MS)).verifying.get(kid)
  }

  /** False for a key that is published no longer, as far as is known without asking. */
  stillHas(kid: string): boolean {
    return this.#loaded?.verifying.has(kid) === true
  }

  /** The public halves (RFC 7517 §5). */
  async jwks(): Promise<{ readonly keys: readonly PublicJwk[] }> {
    return { keys: (await this.#fresh(LOADED_FOR_MS)).jwks }
  }

  async #fresh(maxAgeMs: number): Promise<Loaded> {
    if (this.#loaded !== undefined && this.#now() - this.#loaded.at < maxAgeMs) return this.#loaded
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #load(): Promise<Loaded> {
    const at = this.#now()
    let believed = await this.#believed(at)
    const [newest] = believed.keys
    if (newest === undefined || at - newest.createdAt.getTime() >= SIGNS_FOR_MS) {
      await this.#store.insert(await this.#make(believed.generation + 1, at))
      believed = await this.#believed(at)
    }
    const { keys } = believed
    const signing = signingOf(keys, at)
    if (signing === undefined) throw new Error(`no key that signs by ${this.#algorithm} can be opened with SECRETS_KEY`)
    const verifying = await Promise.all(
      keys.map(async ({ kid, publicJwk }) => [kid, await this.#import(publicJwk)] as const),
    )
    this.#loaded = {
      ...{ at, verifying: new Map(verifying), jwks: keys.map(({ publicJwk }) => publicJwk) },
      signing: { algorithm: this.#algorithm, kid: signing.kid, key: await this.#import(signing.privateJwk) },
    }
    return this.#loaded
  }

  /**
   * The keys that open here, and the last generation of all. Keys are left out once their successor has signed for longer than
   * their tokens live. A key that does not open was made without our secret, or under an earlier one.
   */
  async #believed(now: number): Promise<{ readonly keys: readonly OpenedSigningKey[]; readonly generation: number }> {
    const stored = await this.#store.list()
    const generation = stored[0]?.generation ?? 0
    const opened = await Promise.all(stored.map((key) => this.#open(key)))
    const keys = opened.filter((key) => key !== undefined)
    const over = now - PUBLISHED_AHEAD_MS - SIGNED_FOR_MS - MARGIN_MS
    const successor = keys.findIndex(({ createdAt }) => createdAt.getTime() <= over)
    const oldest = keys[successor]
    if (oldest === undefined || successor === keys.length - 1) return { keys, generation }
    await this.#store.deleteBefore(oldest.generation)
    return { keys: keys.slice(0, successor + 1), generation }
  }

  /** Opens a key. The public half comes from what was sealed too: a writer of the database may have changed what stands beside it. */
  async #open(key: StoredSigningKey): Promise<OpenedSigningKey | undefined> {
    const text = await this.#box.open(key.sealed, ownerOf(key.kid))
    if (text === undefined) return undefined
    const privateJwk = JSON.parse(text) as JWK
    return { ...key, privateJwk, publicJwk: this.#published(privateJwk, key.kid) }
  }

  async #make(generation: number, now: number): Promise<StoredSigningKey> {
    // Another thread makes it, since that takes a tenth of a second for RSA.
    const options = { extractable: true, modulusLength: RSA_BITS }
    const { privateKey, publicKey } = await generateKeyPair(this.#algorithm, options)
    const publicPart = await exportJWK(publicKey)
    const kid = await calculateJwkThumbprint(publicPart)
    const sealed = await this.#box.seal(JSON.stringify(await exportJWK(privateKey)), ownerOf(kid))
    return { generation, kid, publicJwk: this.#published(publicPart, kid), sealed, createdAt: new Date(now) }
  }

  get #algorithm(): SigningAlgorithm {
    return this.#store.algorithm
  }

  /** The public half of a key, of which `jwk` may have the private one too: that has more members than one for RSA. */
  #published(jwk: JWK, kid: string): PublicJwk {
    const members = Object.entries(jwk).filter(([name]) => PUBLIC_MEMBERS.has(name))
    return { ...Object.fromEntries(members), kid, alg: this.#algorithm, use: 'sig' }
  }

  async #import(jwk: JWK): Promise<CryptoKey> {
    const key = await importJWK(jwk, this.#algorithm)
    if (key instanceof Uint8Array) throw new Error('a signing key is no pair of keys')
    return key
  }
}

/** What a public key says of itself (RFC 7518 §6.2.1, §6.3.1). */
const PUBLIC_MEMBERS: ReadonlySet<string> = new Set(['kty', 'crv', 'x', 'y', 'n', 'e'])

/** The newest that was published for long enough, or where there is none, the oldest. */
function signingOf(keys: readonly OpenedSigningKey[], now: number): OpenedSigningKey | undefined {
  return keys.find(({ createdAt }) => now - createdAt.getTime() >= PUBLISHED_AHEAD_MS) ?? keys.at(-1)
}

/** For whom the private half of a key is sealed. */
export const ownerOf = (kid: string): string => `signing-key ${kid}`
