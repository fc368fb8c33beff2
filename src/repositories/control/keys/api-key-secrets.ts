import { and, asc, eq, exists, gt, inArray, isNull, lt, lte, or, type SQLWrapper, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { KeySecret } from '../../../auth/key-secrets.ts'
import type { Database } from '../../../db/database.ts'
import { apiKeyPublicKeys, apiKeySecrets, apiKeys, apiKeyTrusts } from '../../../db/schema.ts'
import { literal } from '../../sql/fragments.ts'

/** When a client last used a secret, or what stands in its place. */
export interface SecretUse {
  readonly id: string
  readonly version: number
  /** Thumbprint of the public key, or id of the trust, that was used in its place. */
  readonly inPlace?: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly client: string | null
}

const columns = {
  version: apiKeySecrets.version,
  hash: apiKeySecrets.hash,
  createdAt: apiKeySecrets.createdAt,
  expiresAt: apiKeySecrets.expiresAt,
  endsAt: apiKeySecrets.endsAt,
  endsOnUse: apiKeySecrets.endsOnUse,
  lastUsedAt: apiKeySecrets.lastUsedAt,
  lastUsedBy: apiKeySecrets.lastUsedBy,
}

/** The secrets of each of these keys, oldest first. */
export async function secretsOfKeys(
  { orm }: Database,
  ids: readonly string[],
): Promise<ReadonlyMap<string, readonly KeySecret[]>> {
  const found = new Map<string, KeySecret[]>(ids.map((id) => [id, []]))
  if (ids.length === 0) return found
  const rows = await orm
    .select({ keyId: apiKeySecrets.keyId, ...columns })
    .from(apiKeySecrets)
    .where(inArray(apiKeySecrets.keyId, [...ids]))
    .orderBy(asc(apiKeySecrets.version))
  for (const { keyId, ...secret } of rows) found.get(keyId)?.push(secret)
  return found
}

/** The secrets of one key, which show its rotations. To be changed in a transaction that holds the key's row. */
export function secretsOf({ orm }: Database, keyId: string) {
  const one = (version: number) => and(eq(apiKeySecrets.keyId, keyId), eq(apiKeySecrets.version, version))
  return {
    async insert(values: Pick<KeySecret, 'version' | 'hash' | 'expiresAt'>): Promise<KeySecret> {
      const [row] = await orm
        .insert(apiKeySecrets)
        .values({ keyId, ...values })
        .returning(columns)
      if (row === undefined) throw new Error('the inserted secret of an API key was not returned')
      return row
    },

    async change(version: number, values: Pick<KeySecret, 'endsAt' | 'endsOnUse'>): Promise<void> {
      await orm.update(apiKeySecrets).set(values).where(one(version))
    },

    /** Deletes the secrets before this version: only the last two of a key are kept. */
    async deleteBefore(version: number): Promise<void> {
      await orm.delete(apiKeySecrets).where(and(eq(apiKeySecrets.keyId, keyId), lt(apiKeySecrets.version, version)))
    },
  }
}

/**
 * Stores when secrets were last used and by which client, in one statement. It passes over rows that another instance is
 * updating at this moment: that instance writes much the same, and neither has to wait.
 */
export async function recordSecretUse({ orm }: Database, uses: readonly SecretUse[]): Promise<void> {
  const [s, p, f] = [alias(apiKeySecrets, 's'), alias(apiKeyPublicKeys, 'p'), alias(apiKeyTrusts, 'f')]
  const u = orm.$with('u', {}).as(sql`select * from json_to_recordset(${JSON.stringify(uses)}::text::json)
    as u(id text, version int, "inPlace" text, at float8, client text)`)
  const told = {
    at: sql`to_timestamp(u.at / 1000)`.as('at'),
    client: sql`u.client`.as('client'),
  }
  const used = orm.$with('used').as(
    orm
      .select({ keyId: s.keyId, version: s.version, ...told })
      .from(s)
      .innerJoin(sql`u`, sql`u.id = ${s.keyId} and u.version = ${s.version}`)
      .for('no key update', { of: s, skipLocked: true }),
  )
  const usedPublic = orm.$with('used_public').as(
    orm
      .select({ keyId: p.keyId, thumbprint: p.thumbprint, ...told })
      .from(p)
      .innerJoin(sql`u`, sql`u.id = ${p.keyId} and u."inPlace" = ${p.thumbprint}`)
      .for('no key update', { of: p, skipLocked: true }),
  )
  const usedTrust = orm.$with('used_trust').as(
    orm
      .select({ keyId: f.keyId, id: f.id, ...told })
      .from(f)
      .innerJoin(sql`u`, sql`u.id = ${f.keyId} and u."inPlace" = ${f.id}::text`)
      .for('no key update', { of: f, skipLocked: true }),
  )
  const isLater = (table: UsedTable, at: SQLWrapper) => or(isNull(table.lastUsedAt), lte(table.lastUsedAt, at))
  const notedPublic = orm.$with('noted_public').as(
    orm
      .update(apiKeyPublicKeys)
      .set({ lastUsedAt: sql`${usedPublic.at}`, lastUsedBy: sql`${usedPublic.client}` })
      .from(usedPublic)
      .where(
        and(
          eq(apiKeyPublicKeys.keyId, usedPublic.keyId),
          eq(apiKeyPublicKeys.thumbprint, usedPublic.thumbprint),
          isLater(apiKeyPublicKeys, usedPublic.at),
        ),
      ),
  )
  const notedTrust = orm.$with('noted_trust').as(
    orm
      .update(apiKeyTrusts)
      .set({ lastUsedAt: sql`${usedTrust.at}`, lastUsedBy: sql`${usedTrust.client}` })
      .from(usedTrust)
      .where(
        and(
          eq(apiKeyTrusts.keyId, usedTrust.keyId),
          eq(apiKeyTrusts.id, usedTrust.id),
          isLater(apiKeyTrusts, usedTrust.at),
        ),
      ),
  )
  await orm
    .with(u, used, usedPublic, usedTrust, notedPublic, notedTrust)
    .update(apiKeySecrets)
    .set({ lastUsedAt: sql`${used.at}`, lastUsedBy: sql`${used.client}` })
    .from(used)
    .where(
      and(
        eq(apiKeySecrets.keyId, used.keyId),
        eq(apiKeySecrets.version, used.version),
        isLater(apiKeySecrets, used.at),
      ),
    )
}

type UsedTable = typeof apiKeySecrets | typeof apiKeyPublicKeys | typeof apiKeyTrusts

/**
 * Ends the older secret of a rotation that waits for its newer one, `version`, to be used; false where no rotation waits for
 * it. For a transaction that holds the key's row.
 */
export async function endOnUse({ orm }: Database, id: string, version: number): Promise<boolean> {
  const newer = alias(apiKeySecrets, 'n')
  const isCurrent = exists(
    orm
      .select({ version: newer.version })
      .from(newer)
      .where(and(eq(newer.keyId, apiKeySecrets.keyId), eq(newer.version, version), isNull(newer.endsAt))),
  )
  const ended = await orm
    .update(apiKeySecrets)
    .set({ endsAt: sql`now()`, endsOnUse: false })
    .where(
      and(
        eq(apiKeySecrets.keyId, id),
        lt(apiKeySecrets.version, version),
        eq(apiKeySecrets.endsOnUse, true),
        or(isNull(apiKeySecrets.endsAt), gt(apiKeySecrets.endsAt, sql`now()`)),
        isCurrent,
      ),
    )
    .returning({ version: apiKeySecrets.version })
  return ended.length > 0
}

/** A key whose life ends soon. */
export interface ExpiringKey {
  readonly id: string
  readonly expiresAt: Date
}

const NAMED_AT_ONCE = 1_000

/**
 * Keys that expire in the next `days` days and were not given here in the last 24 hours, up to a thousand; never revoked ones.
 * The caller has to report each of them: no other instance will be given it.
 */
export async function takeExpiringKeys({ orm }: Database, days: number): Promise<ExpiringKey[]> {
  const [k, s] = [alias(apiKeys, 'k'), alias(apiKeySecrets, 's')]
  const due = orm
    .select({ id: k.id, expiresAt: s.expiresAt })
    .from(k)
    .innerJoin(s, eq(s.keyId, k.id))
    .where(
      and(
        ...[isNull(k.revokedAt), isNull(s.endsAt), eq(s.endsOnUse, false)],
        ...[gt(s.expiresAt, sql`now()`), lte(s.expiresAt, sql`now() + make_interval(days => ${days}::int)`)],
        or(isNull(k.warnedAt), lte(k.warnedAt, sql`now() - interval '24 hours'`)),
      ),
    )
    .orderBy(asc(s.expiresAt))
    .limit(literal(NAMED_AT_ONCE))
    .for('update', { of: k, skipLocked: true })
    .as('due')
  const rows = await orm
    .update(apiKeys)
    .set({ warnedAt: sql`now()` })
    .from(due)
    .where(eq(apiKeys.id, due.id))
    .returning({ id: apiKeys.id, expiresAt: due.expiresAt })
  return rows.map(({ id, expiresAt }) => ({ id, expiresAt: expiresAt as Date }))
}
