import { and, eq, gt, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { idempotencyKeys } from '../../db/schema.ts'

/** A request that its client may send more than once: who asks, under which key, and what for. */
export interface RepeatableRequest {
  /** Id of the API key that asks: keys of different clients never meet. */
  readonly actor: string
  readonly key: string
  /** Hash of all that the request says. */
  readonly fingerprint: string
}

/** What the first request was answered, for those after it. */
export interface StoredAnswer {
  readonly fingerprint: string
  readonly status: number
  readonly location: string | null
  /** JSON text. */
  readonly body: string
}

const KEPT_FOR = sql`interval '24 hours'`
/** So that no request pays for the trimming of a whole day. */
const TRIM_AT_ONCE = 100

/**
 * Holds the key until the end of the transaction; false where another transaction holds it, that is, where the same request
 * is under way on another instance.
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

/** Keeps an answer, in the transaction that made what it tells of, and throws away some of those older than 24 hours. */
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
  // The limit, a constant of ours, stands in the text, so that the plan knows how few rows are asked for.
  await orm.execute(sql`delete from ${idempotencyKeys} where ctid = any(array(
    select ctid from ${idempotencyKeys} where created_at <= now() - ${KEPT_FOR} limit ${sql.raw(String(TRIM_AT_ONCE))}
    for update skip locked))`)
}
