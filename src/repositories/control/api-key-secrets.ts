import { and, asc, eq, inArray, lt } from 'drizzle-orm'
import type { KeySecret } from '../../auth/key-secrets.ts'
import type { Database } from '../../db/database.ts'
import { apiKeySecrets } from '../../db/schema.ts'

/** When a secret, or a public key in its place, was last used, and by whom. */
export interface SecretUse {
  readonly id: string
  readonly version: number
  /** Thumbprint of the public key that was used in its place. */
  readonly publicKey?: string
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

/** The secrets of one key; its rotations are told by them. To be changed in a transaction that holds the key's row. */
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

    /** Forgets secrets that ended before the last two. */
    async deleteBefore(version: number): Promise<void> {
      await orm.delete(apiKeySecrets).where(and(eq(apiKeySecrets.keyId, keyId), lt(apiKeySecrets.version, version)))
    },
  }
}

/**
 * Notes when secrets were last used and by which client, in one statement.
 *
 * Rows that another instance is noting at this moment are passed over: it writes much the same, and nobody waits.
 */
export async function recordSecretUse(database: Database, uses: readonly SecretUse[]): Promise<void> {
  await database.run(
    `with uses as (
       select * from json_to_recordset($1::text::json)
         as u(id text, version int, "publicKey" text, at float8, client text)
     ), used as (
       select s.key_id, s.version, u.at, u.client from api_key_secrets s
       join uses u on u.id = s.key_id and u.version = s.version
       for no key update of s skip locked
     ), used_public as (
       select p.key_id, p.thumbprint, u.at, u.client from api_key_public_keys p
       join uses u on u.id = p.key_id and u."publicKey" = p.thumbprint
       for no key update of p skip locked
     ), noted_public as (
       update api_key_public_keys p set last_used_at = to_timestamp(used.at / 1000), last_used_by = used.client
       from used_public used where p.key_id = used.key_id and p.thumbprint = used.thumbprint
         and (p.last_used_at is null or p.last_used_at <= to_timestamp(used.at / 1000))
     )
     update api_key_secrets s set last_used_at = to_timestamp(used.at / 1000), last_used_by = used.client
     from used where s.key_id = used.key_id and s.version = used.version
       and (s.last_used_at is null or s.last_used_at <= to_timestamp(used.at / 1000))`,
    [JSON.stringify(uses)],
  )
}

/**
 * Ends the older secret of a rotation that waits for its newer one, `version`, to be used; false where none does. For a
 * transaction that holds the key's row.
 */
export async function endOnUse(tx: Database, id: string, version: number): Promise<boolean> {
  const ended = await tx.run(
    `update api_key_secrets o set ends_at = now(), ends_on_use = false
     where o.key_id = $1::text and o.version < $2::int and o.ends_on_use and (o.ends_at is null or o.ends_at > now())
       and exists (select 1 from api_key_secrets n where n.key_id = o.key_id and n.version = $2::int and n.ends_at is null)
     returning o.version`,
    [id, version],
  )
  return ended.length > 0
}

/** A key whose life ends soon. */
export interface ExpiringKey {
  readonly id: string
  readonly expiresAt: Date
}

/**
 * Keys that expire in the next `days` days and were not named in the last 24 hours, up to a thousand; whoever is given one
 * has to tell of it, since no other instance will be. Revoked keys are of no concern.
 */
export async function takeExpiringKeys(database: Database, days: number): Promise<ExpiringKey[]> {
  const rows = await database.run<{ id: string; expires: number }>(
    `update api_keys k set warned_at = now() from (
       select k.id, s.expires_at from api_keys k join api_key_secrets s on s.key_id = k.id
       where k.revoked_at is null and s.ends_at is null and not s.ends_on_use
         and s.expires_at > now() and s.expires_at <= now() + make_interval(days => $1::int)
         and (k.warned_at is null or k.warned_at <= now() - interval '24 hours')
       order by s.expires_at limit 1000 for update of k skip locked
     ) due
     where k.id = due.id returning k.id, (extract(epoch from due.expires_at) * 1000)::float8 as expires`,
    [days],
  )
  return rows.map(({ id, expires }) => ({ id, expiresAt: new Date(expires) }))
}
