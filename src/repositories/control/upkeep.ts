import {
  and,
  eq,
  exists,
  gt,
  inArray,
  isNotNull,
  isNull,
  like,
  lt,
  lte,
  not,
  notExists,
  notInArray,
  or,
  sql,
} from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { PERSON } from '../../auth/principal.ts'
import type { Database, Orm } from '../../db/database.ts'
import {
  apiKeyPublicKeys,
  apiKeySecrets,
  apiKeys,
  apiKeyTrusts,
  auditEntries,
  webhookEndpoints,
} from '../../db/schema.ts'
import { literal } from '../sql/fragments.ts'

/** How many rows were found, up to a thousand, and the ids of the first three. */
export interface Found {
  readonly count: number
  readonly ids: readonly string[]
}

/** Rows of a database that need an operator's attention. */
export interface Upkeep {
  /** API keys that expire within 30 days. */
  readonly expiring: Found
  /** API keys whose old secret is still valid, a week or more after a new one was made. */
  readonly rotating: Found
  /** API keys older than 90 days that no client has used. */
  readonly unused: Found
  /** Webhooks and streams that are disabled, or have failed for a day. */
  readonly silent: Found
  /** Webhooks and streams whose maker's key was revoked or deleted. */
  readonly unowned: Found
}

const COUNTED = 1_000

const s = alias(apiKeySecrets, 's')
const isGood = and(isNull(apiKeys.revokedAt), or(isNull(s.expiresAt), gt(s.expiresAt, sql`now()`)))
const isCurrent = and(isNull(s.endsAt), eq(s.endsOnUse, false))
const ONE = { one: sql`1` }

/** For each kind a subquery `f` that gives the ids. */
const SEARCHES = {
  expiring: (orm: Orm) =>
    secretsOfKeys(orm)
      .where(
        and(gt(s.expiresAt, sql`now()`), lte(s.expiresAt, sql`now() + interval '30 days'`), ...[isGood, isCurrent]),
      )
      .limit(literal(COUNTED))
      .as('f'),
  rotating: (orm: Orm) => {
    const newer = alias(apiKeySecrets, 'n')
    const hasNewer = exists(
      orm
        .select(ONE)
        .from(newer)
        .where(
          and(
            eq(newer.keyId, s.keyId),
            gt(newer.version, s.version),
            lt(newer.createdAt, sql`now() - interval '7 days'`),
          ),
        ),
    )
    return secretsOfKeys(orm)
      .where(and(isGood, or(isNull(s.endsAt), gt(s.endsAt, sql`now()`)), hasNewer))
      .limit(literal(COUNTED))
      .as('f')
  },
  unused: (orm: Orm) => {
    const used = alias(apiKeySecrets, 'u')
    const isUsed = (table: typeof used | typeof apiKeyPublicKeys | typeof apiKeyTrusts) =>
      orm
        .select(ONE)
        .from(table)
        .where(and(eq(table.keyId, apiKeys.id), isNotNull(table.lastUsedAt)))
    return secretsOfKeys(orm)
      .where(
        and(
          ...[isGood, isCurrent, lt(apiKeys.createdAt, sql`now() - interval '90 days'`)],
          ...[notExists(isUsed(used)), notExists(isUsed(apiKeyPublicKeys)), notExists(isUsed(apiKeyTrusts))],
        ),
      )
      .limit(literal(COUNTED))
      .as('f')
  },
  silent: (orm: Orm) =>
    orm
      .select({ id: sql<string>`${webhookEndpoints.id}::text`.as('id') })
      .from(webhookEndpoints)
      .where(or(not(webhookEndpoints.enabled), lt(webhookEndpoints.failingSince, sql`now() - interval '1 day'`)))
      .limit(literal(COUNTED))
      .as('f'),
  unowned: (orm: Orm) =>
    orm
      .select({ id: sql<string>`${webhookEndpoints.id}::text`.as('id') })
      .from(auditEntries)
      .innerJoin(webhookEndpoints, sql`${webhookEndpoints.id}::text = ${auditEntries.targetId}`)
      .where(
        and(
          inArray(auditEntries.action, ['webhook.created', 'stream.created']),
          notInArray(auditEntries.actor, ['admin', 'rollcall']),
          not(like(auditEntries.actor, `${PERSON}%`)),
          notExists(
            orm
              .select(ONE)
              .from(apiKeys)
              .where(and(eq(apiKeys.id, auditEntries.actor), isNull(apiKeys.revokedAt))),
          ),
        ),
      )
      .limit(literal(COUNTED))
      .as('f'),
} satisfies Record<keyof Upkeep, (orm: Orm) => unknown>

const secretsOfKeys = (orm: Orm) =>
  orm
    .select({ id: sql<string>`${apiKeys.id}`.as('id') })
    .from(s)
    .innerJoin(apiKeys, eq(apiKeys.id, s.keyId))

/** Finds what needs an operator's attention; changes nothing. */
export async function upkeepOf({ orm }: Database): Promise<Upkeep> {
  const found: Partial<Record<keyof Upkeep, Found>> = {}
  for (const name of Object.keys(SEARCHES) as (keyof Upkeep)[]) {
    const f = SEARCHES[name](orm)
    const [row] = await orm
      .select({ count: sql<number>`count(*)::int`, ids: sql<string[] | null>`(array_agg(${f.id}))[1:3]` })
      .from(f)
    found[name] = { count: row?.count ?? 0, ids: row?.ids ?? [] }
  }
  return found as Upkeep
}
