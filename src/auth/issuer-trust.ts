import type { ClientAlgorithm } from '../signing/client-key.ts'

/**
 * An issuer whose assertions a client may send in place of a secret of an API key (workload identity federation): from whom, about
 * whom, for whom and signed how.
 */
export interface IssuerTrust {
  readonly id: string
  /** Equals `iss`. */
  readonly issuer: string
  /** Where the issuer publishes its keys. */
  readonly jwksUri: string
  /** Equals `sub`. */
  readonly subject: string
  /** One of them equals `aud`. */
  readonly audiences: readonly string[]
  readonly algorithms: readonly ClientAlgorithm[]
}
