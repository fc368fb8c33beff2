import type { ClientKey } from '../signing/client-key.ts'
import type { IssuerTrust } from './issuer-trust.ts'
import type { Principal } from './principal.ts'

/**
 * An API key as stored: one secret, or two while it is rotated, and what stands beside them: the client's
 * public keys, and issuers that vouch for the client.
 */
export interface StoredKey {
  readonly revoked: boolean
  readonly secrets: readonly StoredSecret[]
  readonly publicKeys: readonly StoredPublicKey[]
  readonly trusts: readonly StoredTrust[]
}

/** An issuer that vouches for a client. */
export interface StoredTrust extends IssuerTrust {
  readonly principal: Principal
}

/** A public key of a client that signs for itself. */
export interface StoredPublicKey extends ClientKey {
  readonly principal: Principal
}

export interface StoredSecret {
  /** Who its holder is. */
  readonly principal: Principal
  /** 0 where a public key or a trust stands in its place. */
  readonly version: number
  readonly hash: string
  /** Thumbprint of that public key, or id of that trust. */
  readonly inPlace?: string
  /** When a rotation puts an end to it, in milliseconds since 1970; of an access token, when that expires if it does before. */
  readonly endsAt: number | undefined
  /** True when its use puts an end to the secret before it. */
  readonly endsOthers: boolean
}

/** One use of a secret. */
export interface KeyUse {
  readonly id: string
  readonly version: number
  /** Thumbprint of the public key, or id of the trust, that was used in place of a secret. */
  readonly inPlace?: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** Name of the client: printable and short, null where it gave none. */
  readonly client: string | null
}

/** What a token was found to be. */
export type KnownSecret = StoredSecret & Pick<StoredKey, 'revoked'>

/**
 * The secret of this version, or what stands in its place for the public key with this thumbprint or the trust with this id.
 * Undefined where the key has it no longer.
 */
export function credentialOf(
  { secrets, publicKeys, trusts }: StoredKey,
  credential: number | string,
): StoredSecret | undefined {
  if (typeof credential === 'number') return secrets.find(({ version }) => version === credential)
  const found =
    publicKeys.find(({ thumbprint }) => thumbprint === credential) ?? trusts.find(({ id }) => id === credential)
  if (found === undefined) return undefined
  const { principal } = found
  const hash = `${principal.keyId} ${credential}`
  return { principal, version: 0, hash, inPlace: credential, endsAt: undefined, endsOthers: false }
}
