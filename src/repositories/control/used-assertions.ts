import { createHash } from 'node:crypto'
import { lt, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { usedAssertions } from '../../db/schema.ts'
import { isAnyOf, literal } from '../sql/fragments.ts'

/** A request deletes only some of those that have expired: no request has to wait for all of them. */
const TRIM_AT_ONCE = 100

/**
 * Stores that the client assertion with this name was used; false where it was used before, on any instance. Deletes some of
 * those that have expired: an expired assertion is refused in any case.
 */
export async function takeAssertion({ orm }: Database, keyId: string, name: string, expiresAt: Date): Promise<boolean> {
  const expired = orm
    .select({ ctid: sql`ctid` })
    .from(usedAssertions)
    .where(lt(usedAssertions.expiresAt, sql`now() - interval '1 hour'`))
    .limit(literal(TRIM_AT_ONCE))
    .for('update', { skipLocked: true })
  const rows = await orm
    .with(orm.$with('trimmed').as(orm.delete(usedAssertions).where(isAnyOf(sql`ctid`, sql`array${expired}`))))
    .insert(usedAssertions)
    .values({ keyId, hash: createHash('sha256').update(name).digest('base64url'), expiresAt })
    .onConflictDoNothing()
    .returning({ hash: usedAssertions.hash })
  return rows.length > 0
}
