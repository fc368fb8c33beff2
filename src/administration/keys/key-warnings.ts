import { rotationOf } from '../../auth/key-secrets.ts'
import type { Scope } from '../../auth/principal.ts'
import type { Database } from '../../db/database.ts'
import { type ApiKeyRow, apiKeysWithin } from '../../repositories/control/api-keys.ts'
import { type ExpiringKey, takeExpiringKeys } from '../../repositories/control/keys/api-key-secrets.ts'
import { hourly, type Watch } from '../watch.ts'

const WARN_DAYS_BEFORE = 30
const DAY_MS = 86_400_000

/** What the owner of a key should know: that it expires within 30 days or has, and how far its rotation is. */
export function apiKeyWarnings({ revokedAt, expiresAt, secrets }: ApiKeyRow, now: Date): string[] {
  if (revokedAt !== null) return []
  const warnings: string[] = []
  if (expiresAt !== null && expiresAt <= now) warnings.push(`It expired at ${expiresAt.toISOString()}.`)
  else if (expiresAt !== null && isSoon(expiresAt, now))
    warnings.push(`It expires in ${inWords(daysUntil(expiresAt, now))}, at ${expiresAt.toISOString()}; rotate it.`)
  const rotation = rotationOf(secrets, now)
  if (rotation) {
    const { from, to } = rotation
    const until = from.endsAt ? `ends at ${from.endsAt.toISOString()}` : 'ends when the new one is used'
    const lastUse = from.lastUsedAt ? `, and was last used at ${from.lastUsedAt.toISOString()}` : ''
    if (to.lastUsedAt === null) warnings.push(`Its new secret was not used yet; the old one ${until}${lastUse}.`)
    else if (from.lastUsedAt !== null && from.lastUsedAt > to.lastUsedAt)
      warnings.push(`Its old secret is still in use since the new one is: it ${until}${lastUse}.`)
  }
  return warnings
}

/** Whether a key that is good expires within 30 days. */
export const expiresSoon = ({ expiresAt }: Pick<ApiKeyRow, 'expiresAt'>, now: Date): boolean =>
  expiresAt !== null && expiresAt > now && isSoon(expiresAt, now)

/** Keys within `place` that expire within 30 days or have lately, up to `limit`, the first to expire first. */
export const expiringKeys = (database: Database, place: Scope, limit: number): Promise<ApiKeyRow[]> =>
  apiKeysWithin(database, place).expiring(WARN_DAYS_BEFORE, limit)

/**
 * Tells of each key in its last 30 days, once a day and by one instance alone: at once, and every hour.
 *
 * @param failed is told why a look was in vain; the next one comes by itself
 */
export function watchExpiry(
  database: Database,
  tell: (key: ExpiringKey & { readonly daysLeft: number }) => void,
  failed: (error: unknown) => void,
): Watch {
  return hourly(async () => {
    const keys = await takeExpiringKeys(database, WARN_DAYS_BEFORE)
    const now = new Date()
    for (const key of keys) tell({ ...key, daysLeft: daysUntil(key.expiresAt, now) })
  }, failed)
}

const isSoon = (moment: Date, now: Date): boolean => daysUntil(moment, now) <= WARN_DAYS_BEFORE
const daysUntil = (moment: Date, now: Date): number => Math.ceil((moment.getTime() - now.getTime()) / DAY_MS)
const inWords = (days: number): string => (days <= 1 ? 'less than a day' : `${days} days`)
