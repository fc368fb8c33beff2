import { z } from '@hono/zod-openapi'
import type { CreatedApiKey } from '../../../administration/keys/api-keys.ts'
import { apiKeyWarnings } from '../../../administration/keys/key-warnings.ts'
import { Refusal } from '../../../administration/refusal.ts'
import type { ApiKeyRow } from '../../../repositories/control/api-keys.ts'
import { EXAMPLE } from '../../control/examples.ts'
import type { PlaceNames } from '../../control/places.ts'
import { permission, scopeShape } from '../../control/schemas.ts'
import { presentPublicKey, publicKey } from './public-keys.ts'
import { presentTrust, trust } from './trusts.ts'

const shape = {
  id: z.string(),
  name: z.string(),
  scope: scopeShape,
  permissions: z.array(permission),
  userId: z.uuid().nullable().openapi({ description: 'The user for whom the key stands; it reaches nothing but /Me.' }),
  tokensMayMintAdminKeys: z.boolean().openapi({
    description: 'Whether access tokens of the key may make keys with `admin`, as the key itself may.',
  }),
  setupLinkId: z.string().nullable().openapi({ description: 'The set-up link by whose visitor it was made.' }),
  createdAt: z.string(),
  expiresAt: z.string().nullable(),
  revokedAt: z.string().nullable(),
  lastUsedAt: z.string().nullable().openapi({ description: 'Written down every half minute.' }),
  secrets: z
    .array(
      z.object({
        version: z.number().int().openapi({ description: '1 for the first, and one more for each rotation.' }),
        createdAt: z.string(),
        expiresAt: z.string().nullable(),
        endsAt: z.string().nullable().openapi({ description: 'When a rotation ends it or has ended it.' }),
        endsOnUse: z.boolean().openapi({ description: 'Whether it ends when the newer one is first used.' }),
        lastUsedAt: z.string().nullable(),
        lastUsedBy: z.string().nullable().openapi({ description: 'User-Agent of the client.' }),
      }),
    )
    .openapi({ description: 'The last two, oldest first; the secrets themselves are kept nowhere.' }),
  publicKeys: z.array(publicKey).openapi({
    description: 'By which clients prove who they are at /oauth/token in place of a secret (private_key_jwt).',
  }),
  trusts: z.array(trust).openapi({
    description:
      'Issuers whose assertions clients send to /oauth/token in place of a secret (workload identity federation).',
  }),
  warnings: z.array(z.string()).openapi({
    description:
      'That it expires within 30 days; how far its rotation is; when it is made, that the key that asked ends sooner or with it.',
  }),
}
/** An API key as the admin API shows it. */
export const apiKey = z.object(shape).openapi('ApiKey')
/** The same with the key itself, in the answer that makes one. */
export const createdApiKey = z
  .object({ ...shape, key: z.string().openapi({ description: 'The key itself, shown this once.' }) })
  .openapi('CreatedApiKey')

/** The tag of their routes in the reference. */
export const tags = ['API keys']

/** The secrets of a rotation, as examples. */
export const oldSecret = {
  ...{ version: 1, createdAt: EXAMPLE.created, expiresAt: EXAMPLE.expires, endsAt: null, endsOnUse: false },
  ...{ lastUsedAt: EXAMPLE.changed, lastUsedBy: 'Okta SCIM Client 1.0.0' },
}
export const newSecret = {
  ...{ version: 2, createdAt: EXAMPLE.changed, expiresAt: '2027-03-09T14:05:00.000Z', endsAt: null },
  ...{ endsOnUse: false, lastUsedAt: null, lastUsedBy: null },
}
/** The key of a customer's identity provider, as an example. */
export const exampleApiKey: z.infer<typeof apiKey> = {
  ...{ id: EXAMPLE.apiKeyId, name: 'Okta of Acme', permissions: ['scim:read', 'scim:write'], userId: null },
  scope: {
    ...{ kind: 'tenant', projectId: EXAMPLE.projectId },
    ...{ environmentId: EXAMPLE.environmentId, tenantId: EXAMPLE.tenantId },
  },
  ...{
    tokensMayMintAdminKeys: false,
    setupLinkId: null,
    createdAt: EXAMPLE.created,
    expiresAt: EXAMPLE.expires,
    revokedAt: null,
  },
  lastUsedAt: EXAMPLE.changed,
  secrets: [oldSecret],
  publicKeys: [],
  trusts: [],
  warnings: [],
}
export const exampleKey = `rck_${EXAMPLE.apiKeyId}_ThisIsAnExampleAndOpensNothingAtAll000`

/** Path parameters; which of them there are decides what they name. */
export type Names = PlaceNames & { readonly apiKey?: string }

/** When a key is to expire, as the caller asks. @throws {Refusal} 400 for a time that is over */
export function expiry({ expiresAt }: { readonly expiresAt?: string | undefined }): Date | undefined {
  if (expiresAt === undefined) return undefined
  const date = new Date(expiresAt)
  const message = 'must be in the future'
  if (date.getTime() <= Date.now()) throw new Refusal(400, `expiresAt ${message}.`, [{ path: 'expiresAt', message }])
  return date
}

/** A stored key as the admin API shows it. */
export const present = (row: ApiKeyRow): z.infer<typeof apiKey> => {
  const uses = row.secrets.flatMap(({ lastUsedAt }) => (lastUsedAt === null ? [] : [lastUsedAt.getTime()]))
  return {
    id: row.id,
    name: row.name,
    scope: row.scope,
    permissions: [...row.permissions],
    userId: row.userId,
    tokensMayMintAdminKeys: row.tokensMayMintAdminKeys,
    setupLinkId: row.setupLinkId,
    createdAt: row.createdAt.toISOString(),
    expiresAt: text(row.expiresAt),
    revokedAt: text(row.revokedAt),
    lastUsedAt: uses.length === 0 ? null : new Date(Math.max(...uses)).toISOString(),
    secrets: row.secrets.map(({ version, createdAt, expiresAt, endsAt, endsOnUse, lastUsedAt, lastUsedBy }) => ({
      ...{ version, endsOnUse, lastUsedBy, createdAt: createdAt.toISOString() },
      ...{ expiresAt: text(expiresAt), endsAt: text(endsAt), lastUsedAt: text(lastUsedAt) },
    })),
    publicKeys: row.publicKeys.map(presentPublicKey),
    trusts: row.trusts.map(presentTrust),
    warnings: apiKeyWarnings(row, new Date()),
  }
}

/** The same for a key that was made or rotated just now. */
export const presentCreated = (made: CreatedApiKey): z.infer<typeof createdApiKey> => {
  const shown = present(made)
  return { ...shown, warnings: [...made.warnings, ...shown.warnings], key: made.key }
}

const text = (date: Date | null): string | null => date?.toISOString() ?? null
