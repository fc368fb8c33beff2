import type { Principal, Scope } from '../../auth/principal.ts'
import type { Database } from '../../db/database.ts'
import { type ApiKeyRow, apiKeysWithin } from '../../repositories/control/api-keys.ts'
import type { SetupLinkRow } from '../../repositories/control/keys/setup-links.ts'
import { type Administration, change } from '../change.ts'
import { holdPlace } from '../places-held.ts'
import { Refusal } from '../refusal.ts'
import { type CreatedApiKey, createApiKey } from './api-keys.ts'

/** Keys that the visitors of a tenant's links may have at a time. */
const MOST_KEYS = 10

/** The good keys of a tenant that visitors of set-up links have made, the newest first. Visitors know of no others. */
export async function identityProviderKeys(database: Database, scope: Scope): Promise<ApiKeyRow[]> {
  const rows = await apiKeysWithin(database, scope).ofSetupLinks(MOST_KEYS)
  const now = new Date()
  return rows.filter(({ expiresAt }) => expiresAt === null || expiresAt > now)
}

/** One of them. @throws {Refusal} 404 for every other key */
export async function identityProviderKey(database: Database, scope: Scope, id: string): Promise<ApiKeyRow> {
  const found = (await identityProviderKeys(database, scope)).find((key) => key.id === id)
  if (found === undefined) throw Refusal.notFound('token', id)
  return found
}

/** Makes a key for the identity provider of a link's tenant. @throws {Refusal} 409 where there are as many as there may be */
export function createIdentityProviderKey(
  administration: Administration,
  { scope, id }: SetupLinkRow,
  name: string,
  by: Principal,
): Promise<CreatedApiKey> {
  return change(administration, async (tx, record) => {
    // So that two requests that count at the same time do not both find room.
    await holdPlace(tx, scope, 'no key update')
    if ((await identityProviderKeys(tx, scope)).length >= MOST_KEYS)
      throw new Refusal(409, `There are ${MOST_KEYS} tokens already: rotate one of them, or ask for one to be revoked.`)
    return createApiKey({ ...administration, database: tx, record }, scope, { name, setupLinkId: id }, by)
  })
}
