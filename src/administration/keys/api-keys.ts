import { isApiKeyId, mintApiKey } from '../../auth/api-key.ts'
import type { Permission, Principal, Scope } from '../../auth/principal.ts'
import type { Database } from '../../db/database.ts'
import { type ApiKeyRow, apiKeysWithin, holdUser, insertApiKey } from '../../repositories/control/api-keys.ts'
import { consoleSessionsOf } from '../../repositories/control/console-sessions.ts'
import { disableStreamsOf } from '../../repositories/delivery/receiver-streams.ts'
import { apiKeyRecord } from '../audit-records.ts'
import { type Administration, change, type Recorder } from '../change.ts'
import { holdPlace } from '../places-held.ts'
import { Refusal } from '../refusal.ts'
import { apiKeyState, refuseChanged } from '../states/state-tags.ts'
import { endOfLife, endWarnings, refuseOutliving, refuseWiderThan } from './minting.ts'

/** What a new API key is made from. */
export interface NewApiKey {
  readonly name: string
  /** Default: `scim:read` and `scim:write`, for every scope. */
  readonly permissions?: readonly Permission[] | undefined
  /** At most a year from now, and not after the asking key; default: a year, or with `admin` the end of the asking key before. */
  readonly expiresAt?: Date | undefined
  /** Whether access tokens of the key may make keys with `admin`; for keys that have it. Default: they may not. */
  readonly tokensMayMintAdminKeys?: boolean | undefined
  /** Id of the user for whom the key is to stand; for a tenant's key alone. It reaches nothing but `/Me`. */
  readonly userId?: string | undefined
  /** The set-up link by whose visitor it is made. */
  readonly setupLinkId?: string | undefined
}

/** What an identity provider needs; a key has more only if the request asks for it. */
export const LEAST: readonly Permission[] = ['scim:read', 'scim:write']

/** A key as stored, and the key itself, which is shown this once. */
export type MintedApiKey = ApiKeyRow & { readonly key: string }

/** The same, with warnings about its end for the client that asked for it. */
export type CreatedApiKey = MintedApiKey & { readonly warnings: readonly string[] }

/**
 * Mints an API key for `scope`. It can do no more, and in no more places, than the key that asks for it; with `admin` it lives
 * no longer either.
 *
 * @throws {Refusal} 400 for an unknown user and for more than a year, 403 for a key wider than the asking one, 404 when the
 *   place is gone
 */
export async function createApiKey(
  administration: Administration,
  scope: Scope,
  input: NewApiKey,
  by: Principal,
): Promise<CreatedApiKey> {
  const permissions = input.permissions ?? LEAST
  refuseWiderThan(by, { scope, permissions })
  const expiresAt = endOfLife(input.expiresAt, { permissions }, by, new Date())
  const key = { ...input, permissions, expiresAt }
  if (input.tokensMayMintAdminKeys) refuseUnfitForTokens(permissions)
  if (input.userId !== undefined) refuseUnfitForUser(scope, key.permissions)
  return change(administration, async (tx, record) => {
    await holdPlace(tx, scope, 'key share')
    if (scope.kind === 'tenant' && input.userId !== undefined && !(await holdUser(tx, scope.tenantId, input.userId)))
      throw mistake('user', 'There is no such user in the tenant.')
    const warnings = endWarnings(input.expiresAt, expiresAt, by)
    return { ...(await insertNewKey(tx, record, scope, key)), warnings }
  })
}

/** A key that stands for a user is for one tenant, and what it reaches is `/Me` (RFC 7644 §3.11). */
function refuseUnfitForUser(scope: Scope, permissions: readonly Permission[]): void {
  if (scope.kind !== 'tenant') throw mistake('user', 'A key that stands for a user must be for one tenant.')
  const other = permissions.find((permission) => permission !== 'scim:read' && permission !== 'scim:write')
  if (other !== undefined)
    throw mistake('permissions', `A key that stands for a user cannot have the permission "${other}".`)
}

/** The tokens of a key can never do more than the key. */
function refuseUnfitForTokens(permissions: readonly Permission[]): void {
  if (!permissions.includes('admin'))
    throw mistake('tokensMayMintAdminKeys', 'This is for keys with the permission "admin" alone.')
}

const mistake = (path: string, message: string): Refusal => new Refusal(400, message, [{ path, message }])

/** `createApiKey` inside a change that is under way, for the operator. */
export async function insertNewKey(
  tx: Database,
  record: Recorder,
  scope: Scope,
  input: NewApiKey & { readonly permissions: readonly Permission[]; readonly expiresAt: Date },
): Promise<MintedApiKey> {
  const { id, key, hash } = mintApiKey()
  const { name, permissions, expiresAt, userId = null, tokensMayMintAdminKeys = false, setupLinkId = null } = input
  const row = { id, hash, scope, name, permissions, userId, tokensMayMintAdminKeys, setupLinkId, expiresAt }
  const made = await insertApiKey(tx, row)
  record(apiKeyRecord('created', { before: null, after: made }))
  return { ...made, key }
}

/** The key with this id whose scope is `place` or lies below it. */
export async function findApiKey(database: Database, place: Scope, id: string): Promise<ApiKeyRow | undefined> {
  return isApiKeyId(id) ? apiKeysWithin(database, place).find(id) : undefined
}

/**
 * The same, for a transaction that changes it alone until its end.
 *
 * @throws {Refusal} 404; 412 where the caller has read another state of it
 */
export async function holdApiKey(
  administration: Pick<Administration, 'expected'>,
  tx: Database,
  place: Scope,
  id: string,
): Promise<ApiKeyRow> {
  const found = isApiKeyId(id) ? await apiKeysWithin(tx, place).find(id, 'no key update') : undefined
  if (found === undefined) return missing(id)
  refuseChanged(administration, apiKeyState(found))
  return found
}

/** The same. @throws {Refusal} 404 */
export async function existingApiKey(database: Database, place: Scope, id: string): Promise<ApiKeyRow> {
  const found = await findApiKey(database, place, id)
  return found ?? missing(id)
}

function missing(id: string): never {
  throw Refusal.notFound('API key', id)
}

/**
 * Says whether access tokens of a key may make keys with `admin`. To let them takes a key that could make this one; to take it
 * back, any.
 *
 * @throws {Refusal} 400 for a key without `admin`, 403 for one wider than the asking one, 404, 409 for one that is revoked
 */
export async function changeApiKey(
  administration: Administration,
  place: Scope,
  id: string,
  { tokensMayMintAdminKeys }: Pick<ApiKeyRow, 'tokensMayMintAdminKeys'>,
  by: Principal,
): Promise<ApiKeyRow> {
  return change(administration, async (tx, record) => {
    const before = await holdApiKey(administration, tx, place, id)
    if (before.revokedAt !== null) throw new Refusal(409, 'The API key is revoked; make a new one.')
    if (tokensMayMintAdminKeys) {
      refuseUnfitForTokens(before.permissions)
      refuseWiderThan(by, before)
      refuseOutliving(by, before)
    }
    await apiKeysWithin(tx, place).change(id, { tokensMayMintAdminKeys })
    const after = { ...before, tokensMayMintAdminKeys }
    record(apiKeyRecord('changed', { before, after }))
    return after
  })
}

/**
 * Revokes a key for good, ends its sessions of the console, and disables the streams that it manages; every instance refuses it within a second. Revoking it again
 * changes nothing. Nothing but its own rows is held, so this waits for no other change.
 *
 * @throws {Refusal} 404 when there is no such key here
 */
export async function revokeApiKey(administration: Administration, place: Scope, id: string, now: Date): Promise<void> {
  await change(administration, async (tx, record) => {
    const before = await holdApiKey(administration, tx, place, id)
    if (before.revokedAt !== null) return
    await apiKeysWithin(tx, place).revoke(id, now)
    await consoleSessionsOf(tx).endAllOf(id)
    await disableStreamsOf(tx, id, 'The API key of its receiver was revoked.')
    record(apiKeyRecord('revoked', { before, after: { ...before, revokedAt: now } }))
  })
}
