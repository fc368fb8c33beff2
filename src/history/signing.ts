import type { Database } from '../db/database.ts'
import { historyKeysOf } from '../repositories/history/signing-keys.ts'
import { type Detached, signDetached } from '../signing/detached.ts'
import type { Keyring, PublicJwk } from '../signing/keyring.ts'

/** Path of the public keys that have signed exports, below the gateway's origin. */
export const HISTORY_KEYS = '/.well-known/history-keys.json'

/** Signs manifests of exports, and publishes what verifies them. */
export interface HistorySigner {
  sign(manifest: string): Promise<Pick<Detached, 'jws' | 'kid'>>
  /** All keys that ever signed one (RFC 7517 §5): exports are verified years later. */
  keys(): Promise<{ readonly keys: readonly PublicJwk[] }>
}

/** Signs with the keys that sign tokens too. The public half of each that has signed is kept. */
export const historySigner = (db: Database, keyring: Keyring): HistorySigner => ({
  async sign(manifest) {
    const { jws, kid, publicJwk } = await signDetached(keyring, manifest)
    await historyKeysOf(db).keep(kid, publicJwk)
    return { jws, kid }
  },
  keys: async () => ({ keys: await historyKeysOf(db).list() }),
})
