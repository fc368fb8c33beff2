import { and, asc, eq, inArray } from 'drizzle-orm'
import type { IssuerTrust } from '../../../auth/issuer-trust.ts'
import type { Database } from '../../../db/database.ts'
import { apiKeyTrusts } from '../../../db/schema.ts'
import type { ClientAlgorithm } from '../../../signing/client-key.ts'

/** An issuer that an API key trusts. */
export interface TrustRow extends IssuerTrust {
  readonly createdAt: Date
  readonly lastUsedAt: Date | null
  /** User-Agent of the client that used it last. */
  readonly lastUsedBy: string | null
}

/** The trusts of each of these API keys, oldest first. */
export async function trustsOfKeys(
  { orm }: Database,
  ids: readonly string[],
): Promise<ReadonlyMap<string, readonly TrustRow[]>> {
  const found = new Map<string, TrustRow[]>(ids.map((id) => [id, []]))
  if (ids.length === 0) return found
  const rows = await orm
    .select()
    .from(apiKeyTrusts)
    .where(inArray(apiKeyTrusts.keyId, [...ids]))
    .orderBy(asc(apiKeyTrusts.createdAt), asc(apiKeyTrusts.id))
  for (const { keyId, algorithms, ...row } of rows)
    found.get(keyId)?.push({ ...row, algorithms: algorithms as ClientAlgorithm[] })
  return found
}

/** The trusts of one API key; to be changed in a transaction that holds the API key's row. */
export function trustsOf({ orm }: Database, keyId: string) {
  return {
    async insert({ audiences, algorithms, ...trust }: IssuerTrust): Promise<void> {
      await orm.insert(apiKeyTrusts).values({ keyId, ...trust, audiences: [...audiences], algorithms: [...algorithms] })
    },
    async delete(id: string): Promise<void> {
      await orm.delete(apiKeyTrusts).where(and(eq(apiKeyTrusts.keyId, keyId), eq(apiKeyTrusts.id, id)))
    },
  }
}
