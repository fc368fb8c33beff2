import { desc, eq, lt } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { signingKeys } from '../../db/schema.ts'
import type { PublicJwk, SigningKeyStore } from '../../signing/keyring.ts'

/** The keys that sign access tokens, for `Keyring`; a few rows, which all instances share. */
export function signingKeyStore({ orm }: Database): SigningKeyStore & { delete(kid: string): Promise<void> } {
  return {
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
