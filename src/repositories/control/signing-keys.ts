import { desc, eq, lt } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { rsaSigningKeys, signingKeys } from '../../db/schema.ts'
import type { PublicJwk, SigningAlgorithm, SigningKeyStore } from '../../signing/keyring.ts'

/** A table for each algorithm: releases that know one of them alone read no key of the other. */
const TABLES = { ES256: signingKeys, RS256: rsaSigningKeys } as const

/** The stores of all algorithms that sign. */
export const signingKeyStores = (database: Database) =>
  (['ES256', 'RS256'] as const).map((algorithm) => signingKeyStore(database, algorithm))

/** The keys of an algorithm, for `Keyring`; a few rows, which all instances share. */
export function signingKeyStore(
  { orm }: Database,
  algorithm: SigningAlgorithm,
): SigningKeyStore & { delete(kid: string): Promise<void> } {
  const signingKeys = TABLES[algorithm]
  return {
    algorithm,
    async list() {
      const rows = await orm.select().from(signingKeys).orderBy(desc(signingKeys.generation))
      return rows.map((row) => ({ ...row, publicJwk: row.publicJwk as PublicJwk }))
    },
    async insert(key) {
      await orm.insert(signingKeys).values(key).onConflictDoNothing()
    },
    async deleteBefore(generation) {
      await orm.delete(signingKeys).where(lt(signingKeys.generation, generation))
    },
    async delete(kid) {
      await orm.delete(signingKeys).where(eq(signingKeys.kid, kid))
    },
  }
}
