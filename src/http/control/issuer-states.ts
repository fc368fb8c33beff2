import type { ExternalIssuers } from '../../auth/external-issuers.ts'
import type { ExternalIssuer } from '../../tenancy/settings.ts'

/** An external issuer, with what its address for keys answers now. */
export interface IssuerState {
  readonly name: string
  readonly issuer: string
  readonly jwksUri: string
  /** How many keys there are; null where they cannot be fetched. */
  readonly keys: number | null
  /** Why they cannot be fetched. */
  readonly problem: string | null
}

/** Asks each issuer's address for keys, all at once. */
export const issuerStates = (issuers: ExternalIssuers, asked: readonly ExternalIssuer[]): Promise<IssuerState[]> =>
  Promise.all(
    asked.map(async ({ name, issuer, jwksUri }) => {
      const found = await issuers.look(jwksUri)
      return { name, issuer, jwksUri, keys: null, problem: null, ...found }
    }),
  )
