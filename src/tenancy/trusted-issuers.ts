import { z } from 'zod'
import { CLIENT_ALGORITHMS } from '../signing/client-key.ts'

const printable = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[ -~]+$/, 'must be printable ASCII')

const ofIssuer = {
  /** Names it in logs and in the audit trail. */
  name: z.string().regex(/^[A-Za-z0-9-]{1,40}$/, 'must be 1 to 40 letters, digits and hyphens'),
  issuer: printable(500),
  jwksUri: printable(2_000)
    .refine((text) => URL.canParse(text), 'must be a URL')
    .meta({ format: 'uri' }),
}
const algorithms = z.array(z.enum(CLIENT_ALGORITHMS)).min(1).max(CLIENT_ALGORITHMS.length)

/** An issuer whose JWTs SCIM takes in the place of keys: what they must be, and what they may do. */
export const externalIssuer = z.strictObject({
  ...ofIssuer,
  audience: printable(500),
  algorithms,
  /** A claim, and what each of its values stands for. */
  permissions: z.strictObject({
    claim: printable(100),
    values: z
      .record(printable(200), z.array(z.enum(['scim:read', 'scim:write'])).min(1))
      .meta({ propertyNames: { minLength: 1, maxLength: 200, pattern: '^[ -~]+$' } }),
  }),
})
export type ExternalIssuer = z.infer<typeof externalIssuer>

/** An issuer that may end the sessions of a tenant's users: Global Token Revocation, which Okta calls Universal Logout. */
export const logoutIssuer = z.strictObject({
  ...ofIssuer,
  algorithms: algorithms.default(['RS256']),
  /** The `sub` that its JWTs must have: the application, as the issuer names it. Any where it is left out. */
  subject: printable(500).optional(),
  /** The `iss` of subjects of the format `iss_sub`, where the issuer names another than itself there. */
  subjectIssuer: printable(500).optional(),
})
export type LogoutIssuer = z.infer<typeof logoutIssuer>
