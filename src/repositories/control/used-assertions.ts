import { createHash } from 'node:crypto'
import type { Database } from '../../db/database.ts'

/** So that no request pays for the trimming of a whole day. */
const TRIM_AT_ONCE = 100

/**
 * Takes note that the client assertion with this `jti` was used; false where it was before, on whichever instance. Forgets
 * some of those that have expired, which are refused for that.
 */
export async function takeAssertion(database: Database, keyId: string, jti: string, expiresAt: Date): Promise<boolean> {
  const rows = await database.run(
    `with trimmed as (
       delete from used_assertions where ctid = any(array(
         select ctid from used_assertions where expires_at < now() - interval '1 hour' limit ${TRIM_AT_ONCE}
         for update skip locked))
     )
     insert into used_assertions (key_id, hash, expires_at) values ($1::text, $2::text, $3::text::timestamptz)
     on conflict do nothing returning hash`,
    [keyId, createHash('sha256').update(jti).digest('base64url'), expiresAt.toISOString()],
  )
  return rows.length > 0
}
