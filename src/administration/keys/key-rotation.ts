import { mintApiKey } from '../../auth/api-key.ts'
import { currentSecret, type KeySecret, rotationOf } from '../../auth/key-secrets.ts'
import type { Principal, Scope } from '../../auth/principal.ts'
import type { ApiKeyRow } from '../../repositories/control/api-keys.ts'
import { consoleSessionsOf } from '../../repositories/control/console-sessions.ts'
import { secretsOf } from '../../repositories/control/keys/api-key-secrets.ts'
import { apiKeyRecord } from '../audit-records.ts'
import { type Administration, change } from '../change.ts'
import { Refusal } from '../refusal.ts'
import { type CreatedApiKey, existingApiKey, holdApiKey } from './api-keys.ts'
import { endOfLife, endWarnings, LONGEST_LIFE_MS, refuseWiderThan } from './minting.ts'

/** How long the old secret stays good. */
export interface RotationWish {
  /** Default: a day, or no limit with `untilNewIsUsed`. 0 ends it at once. */
  readonly keepOldForSeconds?: number | undefined
  /** Ends the old secret as soon as the new one was seen in use. */
  readonly untilNewIsUsed?: boolean | undefined
  /** When the key expires with its new secret. By default it lives as long again, and with `admin` no longer than the asking key. */
  readonly expiresAt?: Date | undefined
}

const KEEP_OLD_FOR_SECONDS = 24 * 3600

/**
 * Gives a key a new secret, which is good at once, while the old one stays good for a while. The id, the scope and the
 * permissions stay, so this takes a key that is at least as wide.
 *
 * @throws {Refusal} 400 for more than a year, 403 for a key wider than the asking one, 404, 409 for a key that is revoked,
 *   expired or being rotated
 */
export function rotateApiKey(
  administration: Administration,
  place: Scope,
  id: string,
  wish: RotationWish,
  by: Principal,
  now: Date,
): Promise<CreatedApiKey> {
  return change(administration, async (tx, record) => {
    const key = await holdApiKey(administration, tx, place, id)
    refuseWiderThan(by, key)
    if (key.revokedAt !== null) throw new Refusal(409, 'The API key is revoked; make a new one.')
    if (rotationOf(key.secrets, now) !== undefined)
      throw new Refusal(409, 'The API key is being rotated: end its old secret or undo the rotation first.')
    const old = currentSecret(key.secrets)
    const expiresAt = endOfLife(wish.expiresAt, key, by, now, lifeOf(old))
    if (wish.expiresAt === undefined && old.expiresAt !== null && old.expiresAt <= now)
      throw new Refusal(409, 'The API key has expired; rotate it with a new expiresAt.')

    const secrets = secretsOf(tx, id)
    const version = Math.max(...key.secrets.map((secret) => secret.version)) + 1
    const { key: text, hash } = mintApiKey(id)
    await secrets.insert({ version, hash, expiresAt })
    await secrets.change(old.version, { endsAt: endOf(wish, now), endsOnUse: wish.untilNewIsUsed === true })
    await secrets.deleteBefore(old.version)
    const after = await existingApiKey(tx, place, id)
    record(apiKeyRecord('rotated', { before: key, after }))
    return { ...after, key: text, warnings: endWarnings(wish.expiresAt, expiresAt, by) }
  })
}

/** Ends the old secret of a rotation now. @throws {Refusal} 404; 409 where no rotation is under way */
export function endRotation(administration: Administration, place: Scope, id: string, now: Date): Promise<ApiKeyRow> {
  return settle(administration, place, id, now, 'from')
}

/** Ends the new secret of a rotation now, and the old one stays as if nothing had been. @throws {Refusal} 404, 409 as above */
export function undoRotation(administration: Administration, place: Scope, id: string, now: Date): Promise<ApiKeyRow> {
  return settle(administration, place, id, now, 'to')
}

function settle(administration: Administration, place: Scope, id: string, now: Date, ends: 'from' | 'to') {
  return change(administration, async (tx, record) => {
    const key = await holdApiKey(administration, tx, place, id)
    const rotation = key.revokedAt === null ? rotationOf(key.secrets, now) : undefined
    if (rotation === undefined) throw new Refusal(409, 'The API key is not being rotated.')
    const stays = ends === 'from' ? rotation.to : rotation.from
    const secrets = secretsOf(tx, id)
    await secrets.change(rotation[ends].version, { endsAt: now, endsOnUse: false })
    await secrets.change(stays.version, { endsAt: null, endsOnUse: false })
    await consoleSessionsOf(tx).endAllOf(id, String(rotation[ends].version))
    const after = await existingApiKey(tx, place, id)
    record(apiKeyRecord(ends === 'from' ? 'rotation_ended' : 'rotation_undone', { before: key, after }))
    return after
  })
}

/** How long a secret was to live: the next one lives as long again. */
const lifeOf = ({ createdAt, expiresAt }: KeySecret): number =>
  Math.min(LONGEST_LIFE_MS, (expiresAt?.getTime() ?? Number.POSITIVE_INFINITY) - createdAt.getTime())

function endOf({ keepOldForSeconds, untilNewIsUsed }: RotationWish, now: Date): Date | null {
  const seconds = keepOldForSeconds ?? (untilNewIsUsed ? undefined : KEEP_OLD_FOR_SECONDS)
  return seconds === undefined ? null : new Date(now.getTime() + seconds * 1000)
}
