import { and, eq, gt, lte, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { idempotencyKeys } from '../../db/schema.ts'
import { isAnyOf, literal } from '../sql/fragments.ts'

/** A request that its client may send more than once. */
export interface RepeatableRequest {
  /** Id of the API key that the client uses: the same idempotency key of another client is another one. */
  readonly actor: string
  readonly key: string
  /** Hash of the whole request. */
  readonly fingerprint: string
}

/** The answer to the first request, for its repeats. */
export interface StoredAnswer {
  readonly fingerprint: string
  readonly status: number
  readonly location: string | null
  /** JSON text. */
  readonly body: string
}

const KEPT_FOR = sql`interval '24 hours'`
/** A request deletes only some of the old answers: no request has to wait for a whole day of them. */
const TRIM_AT_ONCE = 100

/**
 * Holds the key until the end of the transaction. False where another transaction holds it, which means that another instance
 * is working on the same request.
 */
export async function lockIdempotencyKey(tx: Database, { actor, key }: RepeatableRequest): Promise<boolean> {
  const [row] = await tx.run<{ locked: boolean }>(
    'select pg_try_advisory_xact_lock(hashtextextended($1::text, 0)) as locked',
    [`idempotency ${actor} ${key}`],
  )
  return row?.locked === true
}

/** The answer under the key, if there is one of the last 24 hours. */
export async function findAnswer(
  { orm }: Database,
  { actor, key }: RepeatableRequest,
): Promise<StoredAnswer | undefined> {
  const { fingerprint, status, location, body } = idempotencyKeys
  const [row] = await orm
    .select({ fingerprint, status, location, body })
    .from(idempotencyKeys)
    .where(
      and(
        eq(idempotencyKeys.actor, actor),
        eq(idempotencyKeys.key, key),
        gt(idempotencyKeys.createdAt, sql`now() - ${KEPT_FOR}`),
      ),
    )
  return row
}

/** Stores an answer, in the transaction that made the change, and deletes some of those older than 24 hours. */
export async function keepAnswer(
  { orm }: Database,
  { actor, key }: RepeatableRequest,
  answer: StoredAnswer,
): Promise<void> {
  await orm
    .insert(idempotencyKeys)
    .values({ actor, key, ...answer })
    .onConflictDoUpdate({
      target: [idempotencyKeys.actor, idempotencyKeys.key],
      set: { ...answer, createdAt: sql`now()` },
    })
  const old = orm
    .select({ ctid: sql`ctid` })
    .from(idempotencyKeys)
    .where(lte(idempotencyKeys.createdAt, sql`now() - ${KEPT_FOR}`))
    .limit(literal(TRIM_AT_ONCE))
    .for('update', { skipLocked: true })
  await orm.delete(idempotencyKeys).where(isAnyOf(sql`ctid`, sql`array${old}`))
}
