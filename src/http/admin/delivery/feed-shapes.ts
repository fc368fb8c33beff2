import { z } from '@hono/zod-openapi'
import { Refusal } from '../../../administration/refusal.ts'
import { findTenant } from '../../../administration/tenants.ts'
import { type FeedCursor, parseFeedCursor } from '../../../delivery/environment-feed.ts'
import type { LogAnswer } from '../../../delivery/read-log.ts'
import type { TenantRow } from '../../../repositories/control/tenants.ts'
import type { AdminRequest } from '../../control/env.ts'
import type { EnvironmentPlace } from '../../control/places.ts'

/** Tenants that one reader of a feed may name. */
const MOST_TENANTS = 20

/** Where a reader of an environment's feed stands. */
export const cursor = z
  .string()
  .max(40)
  .refine(
    (text) => parseFeedCursor(text) !== undefined,
    'must be the "next" of an answer, or the "cursor" of a snapshot',
  )
  .openapi({ pattern: '^f[0-9a-f]{8}\\.[0-9a-z]{1,10}(?:\\.[0-9a-z]{1,10})?$' })

export const ofTenants = z
  .string()
  .max(2_000)
  .optional()
  .openapi({ description: `Keys or ids of up to ${MOST_TENANTS} tenants, with commas between. Without it, all.` })

/** A cursor that has been checked by its shape. */
export const cursorIn = (text: string | undefined): FeedCursor | undefined =>
  text === undefined ? undefined : parseFeedCursor(text)

/** The tenants that a query names; undefined for all. @throws {Refusal} 400 or 404 */
export async function tenantsNamed(
  { database }: AdminRequest,
  { environment }: EnvironmentPlace,
  text: string | undefined,
): Promise<TenantRow[] | undefined> {
  if (text === undefined || text === '') return undefined
  const names = [...new Set(text.split(','))]
  const message = `must name ${MOST_TENANTS} tenants at the most`
  if (names.length > MOST_TENANTS) throw new Refusal(400, `tenants ${message}.`, [{ path: 'tenants', message }])
  const found: TenantRow[] = []
  for (const name of names) {
    const tenant = await findTenant(database, environment.id, name)
    if (tenant === undefined) throw Refusal.notFound('tenant', name)
    found.push(tenant)
  }
  return found
}

/** Why a feed cannot be followed from a cursor, for the reader: what is lost to it has to be read anew. */
export function cannotFollowFeed({ outcome }: Exclude<LogAnswer, { outcome: 'page' }>): Refusal {
  const again = 'Read the snapshot and follow from the cursor that it names.'
  if (outcome === 'ahead') {
    const why =
      'the feed was closed and opened again, since nobody read it, or the store was restored to an earlier state'
    return new Refusal(410, `The cursor is none of this feed: ${why}. ${again}`)
  }
  return new Refusal(410, `Events after the cursor were deleted for their age. ${again}`)
}
