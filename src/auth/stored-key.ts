import type { ClientKey } from '../signing/client-key.ts'
import type { Principal } from './principal.ts'

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

/**
 * The secret of this version, or what stands in its place for the public key with this thumbprint.
 * Undefined where the key has it no longer.
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
