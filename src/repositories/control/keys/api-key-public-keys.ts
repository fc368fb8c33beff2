import { and, asc, eq, inArray } from 'drizzle-orm'
import type { Database } from '../../../db/database.ts'
import { apiKeyPublicKeys } from '../../../db/schema.ts'
import { algorithmOf, type ClientKey } from '../../../signing/client-key.ts'

/** A public key of an API key. */
export interface PublicKeyRow extends ClientKey {
  readonly createdAt: Date
  readonly lastUsedAt: Date | null
  /** User-Agent of the client that used it last. */
  readonly lastUsedBy: string | null
}

/** The public keys of each of these API keys, oldest first. */
export async function publicKeysOfKeys(
  { orm }: Database,
  ids: readonly string[],
): Promise<ReadonlyMap<string, readonly PublicKeyRow[]>> {
  const found = new Map<string, PublicKeyRow[]>(ids.map((id) => [id, []]))
  if (ids.length === 0) return found
  const rows = await orm
    .select()
    .from(apiKeyPublicKeys)
    .where(inArray(apiKeyPublicKeys.keyId, [...ids]))
    .orderBy(asc(apiKeyPublicKeys.createdAt), asc(apiKeyPublicKeys.thumbprint))
  for (const { keyId, jwk: stored, ...row } of rows) {
    const jwk = stored as ClientKey['jwk']
    found.get(keyId)?.push({ ...row, jwk, algorithm: algorithmOf(jwk) })
  }
  return found
}

/** The public keys of one API key; to be changed in a transaction that holds the API key's row. */
export function publicKeysOf({ orm }: Database, keyId: string) {
  return {
    async insert({ thumbprint, jwk }: ClientKey): Promise<void> {
      await orm.insert(apiKeyPublicKeys).values({ keyId, thumbprint, jwk })
    },
    async delete(thumbprint: string): Promise<void> {
      await orm
        .delete(apiKeyPublicKeys)
        .where(and(eq(apiKeyPublicKeys.keyId, keyId), eq(apiKeyPublicKeys.thumbprint, thumbprint)))
    },
  }
}
