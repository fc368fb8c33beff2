import type { Principal, Scope } from '../../auth/principal.ts'
import { type PublicKeyRow, publicKeysOf } from '../../repositories/control/keys/api-key-public-keys.ts'
import { readClientKey } from '../../signing/client-key.ts'
import { apiKeyRecord } from '../audit-records.ts'
import { type Administration, change } from '../change.ts'
import { Refusal } from '../refusal.ts'
import { existingApiKey, holdApiKey } from './api-keys.ts'
import { refuseOutliving, refuseWiderThan } from './minting.ts'

/** Two would do for a client that renews its own; more are for fleets. */
const MOST = 5

/**
 * Registers a public key. A client with its private half can use the API key from then on. So the asking key has to be at least
 * as wide as the API key.
 *
 * @param given a JWK (RFC 7517)
 * @throws {Refusal} 400 for what is no public key, 403 for a key wider than the asking one, 404; 409 where it is revoked, has
 *   that public key or too many
 */
export async function addPublicKey(
  administration: Administration,
  place: Scope,
  id: string,
  given: Readonly<Record<string, unknown>>,
  by: Principal,
): Promise<PublicKeyRow> {
  const key = await readClientKey(given)
  if (typeof key === 'string') throw new Refusal(400, `The JWK ${key}.`, [{ path: 'jwk', message: key }])
  return change(administration, async (tx, record) => {
    const before = await holdApiKey(administration, tx, place, id)
    if (before.revokedAt !== null) throw new Refusal(409, 'The API key is revoked; make a new one.')
    refuseWiderThan(by, before)
    refuseOutliving(by, before)
    if (before.publicKeys.some(({ thumbprint }) => thumbprint === key.thumbprint))
      throw new Refusal(409, 'The API key has this public key already.')
    if (before.publicKeys.length >= MOST)
      throw new Refusal(409, `An API key has ${MOST} public keys at most; remove one first.`)
    await publicKeysOf(tx, id).insert(key)
    const after = await existingApiKey(tx, place, id)
    record(apiKeyRecord('public_key_added', { before, after }))
    const added = after.publicKeys.find(({ thumbprint }) => thumbprint === key.thumbprint)
    if (added === undefined) throw new Error('the inserted public key is not there')
    return added
  })
}

/** Removes a public key; access tokens that were got by it end within a second. @throws {Refusal} 404 */
export async function removePublicKey(
  administration: Administration,
  place: Scope,
  id: string,
  thumbprint: string,
): Promise<void> {
  await change(administration, async (tx, record) => {
    const before = await holdApiKey(administration, tx, place, id)
    if (!before.publicKeys.some((key) => key.thumbprint === thumbprint))
      throw Refusal.notFound('public key', thumbprint)
    await publicKeysOf(tx, id).delete(thumbprint)
    const after = await existingApiKey(tx, place, id)
    record(apiKeyRecord('public_key_removed', { before, after }))
  })
}
