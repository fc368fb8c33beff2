import { asc } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { historyKeys } from '../../db/schema.ts'
import type { PublicJwk } from '../../signing/keyring.ts'

/** The public keys that have signed exports of histories. There is a new one a month at the most. */
export const historyKeysOf = ({ orm }: Database) => ({
  async list(): Promise<readonly PublicJwk[]> {
    const rows = await orm.select().from(historyKeys).orderBy(asc(historyKeys.signedAt), asc(historyKeys.kid))
    return rows.map(({ publicJwk }) => publicJwk as PublicJwk)
  },

  /** Keeps a key that signs, so that it stays published. */
  async keep(kid: string, publicJwk: PublicJwk): Promise<void> {
    await orm.insert(historyKeys).values({ kid, publicJwk }).onConflictDoNothing()
  },
})
