import type { ExternalIssuers } from '../../auth/external-issuers.ts'
import type { Settings } from '../../tenancy/settings.ts'

/** The settings that name issuers: whose JWTs are taken in the place of keys, and who may end sessions. */
export const ISSUER_SETTINGS = ['externalIssuers', 'logoutIssuers'] as const

/** An issuer of one of these settings, with what its address for keys answers now. */
export interface IssuerState {
  readonly setting: (typeof ISSUER_SETTINGS)[number]
  readonly name: string
  readonly issuer: string
  readonly jwksUri: string
  /** How many keys there are; null where they cannot be fetched. */
  readonly keys: number | null
  /** Why they cannot be fetched. */
  readonly problem: string | null
}

/** Asks each issuer's address for keys, all at once. */
export const issuerStates = (
  issuers: ExternalIssuers,
  inForce: Pick<Settings, (typeof ISSUER_SETTINGS)[number]>,
): Promise<IssuerState[]> =>
  Promise.all(
    ISSUER_SETTINGS.flatMap((setting) =>
      inForce[setting].map(async ({ name, issuer, jwksUri }) => {
        const found = await issuers.look(jwksUri)
        return { setting, name, issuer, jwksUri, keys: null, problem: null, ...found }
      }),
    ),
  )
