import { and, asc, between, desc, eq, exists, gt, inArray, isNotNull, isNull, type SQL } from 'drizzle-orm'
import { currentSecret, type KeySecret } from '../../auth/key-secrets.ts'
import type { Permission, Scope } from '../../auth/principal.ts'
import { idsOf, PERMISSIONS, scopeOf } from '../../auth/principal.ts'
import type { Database } from '../../db/database.ts'
import { apiKeySecrets, apiKeys, projects } from '../../db/schema.ts'
import type { TenantId } from '../../place-ids.ts'
import { type Hold, holding, type ListPage } from '../sql/lists.ts'
import { type PublicKeyRow, publicKeysOfKeys } from './keys/api-key-public-keys.ts'
import { secretsOf, secretsOfKeys } from './keys/api-key-secrets.ts'
import { type TrustRow, trustsOfKeys } from './keys/api-key-trusts.ts'

export interface ApiKeyRow {
  readonly id: string
  readonly scope: Scope
  readonly name: string
  readonly permissions: readonly Permission[]
  /** The user for whom the key stands; null for a provisioning client. */
  readonly userId: string | null
  /** Whether the key's access tokens may make keys with `admin`. */
  readonly tokensMayMintAdminKeys: boolean
  /** The set-up link by which it was made; null for one that somebody with a key has made. */
  readonly setupLinkId: string | null
  readonly createdAt: Date
  readonly revokedAt: Date | null
  /** The end of the newest secret. */
  readonly expiresAt: Date | null
  /** One, or the last two; oldest first. */
  readonly secrets: readonly KeySecret[]
  /** With which clients prove their identity instead of a secret; oldest first. */
  readonly publicKeys: readonly PublicKeyRow[]
  /** Issuers that vouch for clients instead of a secret; oldest first. */
  readonly trusts: readonly TrustRow[]
}

/** The API key with this public id, of any place: authentication looks it up before the place is known. */
export async function findApiKey(database: Database, id: string, hold?: Hold): Promise<ApiKeyRow | undefined> {
  const rows = holding(database.orm.select().from(apiKeys).where(eq(apiKeys.id, id)), hold)
  return (await withSecrets(database, await rows))[0]
}

/** What these keys are called, wherever they are. */
export async function keyNames({ orm }: Database, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await orm
    .select({ id: apiKeys.id, name: apiKeys.name })
    .from(apiKeys)
    .where(inArray(apiKeys.id, [...ids]))
  return new Map(rows.map(({ id, name }) => [id, name]))
}

/** True where a key for the whole instance was ever made, even one that is revoked now. */
export async function instanceKeyExists({ orm }: Database): Promise<boolean> {
  const rows = await orm.select({ id: apiKeys.id }).from(apiKeys).where(isNull(apiKeys.projectId)).limit(1)
  return rows.length > 0
}

/** Whether there is any project, and a key for the whole instance where `withKey` asks for one: in one statement. */
export async function hasBegun({ orm }: Database, withKey: boolean): Promise<boolean> {
  const key = orm.select({ id: apiKeys.id }).from(apiKeys).where(isNull(apiKeys.projectId))
  const begun = withKey ? exists(key) : undefined
  const rows = await orm.select({ id: projects.id }).from(projects).where(begun).limit(1)
  return rows.length > 0
}

/** The keys whose scope is `place` or lies below it. */
export function apiKeysWithin(database: Database, place: Scope) {
  const { orm } = database
  const within = conditionOf(place)
  return {
    async find(id: string, hold?: Hold): Promise<ApiKeyRow | undefined> {
      const condition = and(within, eq(apiKeys.id, id))
      const rows = holding(orm.select().from(apiKeys).where(condition), hold)
      return (await withSecrets(database, await rows))[0]
    },

    async list({ after, limit }: ListPage): Promise<ApiKeyRow[]> {
      const condition = after === undefined ? within : and(within, gt(apiKeys.id, after))
      const rows = await orm.select().from(apiKeys).where(condition).orderBy(asc(apiKeys.id)).limit(limit)
      return withSecrets(database, rows)
    },

    /** Keys that were made by set-up links and are not revoked, the newest first. */
    async ofSetupLinks(limit: number): Promise<ApiKeyRow[]> {
      const rows = await orm
        .select()
        .from(apiKeys)
        .where(and(within, isNotNull(apiKeys.setupLinkId), isNull(apiKeys.revokedAt)))
        .orderBy(desc(apiKeys.createdAt), asc(apiKeys.id))
        .limit(limit)
      return withSecrets(database, rows)
    },

    /** Keys that expire in the next `days` days, or expired in the last ones; up to `limit`, in the order of their ends. */
    async expiring(days: number, limit: number): Promise<ApiKeyRow[]> {
      const [from, until] = [-1, 1].map((sign) => new Date(Date.now() + sign * days * 86_400_000))
      const rows = await orm
        .select({ key: apiKeys })
        .from(apiKeys)
        .innerJoin(apiKeySecrets, eq(apiKeySecrets.keyId, apiKeys.id))
        .where(
          and(
            ...[within, isNull(apiKeys.revokedAt), isNull(apiKeySecrets.endsAt), eq(apiKeySecrets.endsOnUse, false)],
            between(apiKeySecrets.expiresAt, from as Date, until as Date),
          ),
        )
        .orderBy(asc(apiKeySecrets.expiresAt))
        .limit(limit)
      return withSecrets(
        database,
        rows.map(({ key }) => key),
      )
    },

    async change(id: string, values: Pick<ApiKeyRow, 'tokensMayMintAdminKeys'>): Promise<void> {
      await orm
        .update(apiKeys)
        .set(values)
        .where(and(within, eq(apiKeys.id, id)))
    },

    /** Keeps the row: it still shows what the key allowed. */
    async revoke(id: string, at: Date): Promise<void> {
      await orm
        .update(apiKeys)
        .set({ revokedAt: at })
        .where(and(within, eq(apiKeys.id, id)))
    },
  }
}

/** Keeps a user of a tenant from being deleted until the end of the transaction. False where the tenant has no such user. */
export async function holdUser(tx: Database, tenantId: TenantId, id: string): Promise<boolean> {
  const rows = await tx
    .asTenant(tenantId)
    .run(
      `select 1 from resources r where r.tenant_id = $1::uuid and r.id = $2::uuid and r.resource_type = 'User' for key share`,
      [tenantId, id],
    )
  return rows.length > 0
}

export async function insertApiKey(
  database: Database,
  row: Pick<ApiKeyRow, 'id' | 'scope' | 'name' | 'permissions' | 'userId' | 'tokensMayMintAdminKeys' | 'expiresAt'> &
    Pick<ApiKeyRow, 'setupLinkId'> & { readonly hash: string },
): Promise<ApiKeyRow> {
  const { id, scope, name, permissions, userId, tokensMayMintAdminKeys, setupLinkId, expiresAt, hash } = row
  const [inserted] = await database.orm
    .insert(apiKeys)
    .values({
      ...{ id, name, userId, tokensMayMintAdminKeys, setupLinkId },
      permissions: [...permissions],
      ...idsOf(scope),
    })
    .returning()
  if (inserted === undefined) throw new Error('the inserted API key was not returned')
  return read(inserted, [await secretsOf(database, id).insert({ version: 1, hash, expiresAt })], [], [])
}

/** Deletes the keys whose scope is `place` or lies below it, when `place` itself is deleted. */
export async function deleteApiKeysWithin(
  { orm }: Database,
  place: Exclude<Scope, { kind: 'instance' }>,
): Promise<void> {
  await orm.delete(apiKeys).where(conditionOf(place))
}

function conditionOf(place: Scope): SQL | undefined {
  switch (place.kind) {
    case 'instance':
      return undefined
    case 'project':
      return eq(apiKeys.projectId, place.projectId)
    case 'environment':
      return and(eq(apiKeys.projectId, place.projectId), eq(apiKeys.environmentId, place.environmentId))
    case 'tenant':
      return and(eq(apiKeys.projectId, place.projectId), eq(apiKeys.tenantId, place.tenantId))
  }
}

type Raw = typeof apiKeys.$inferSelect

async function withSecrets(database: Database, rows: readonly Raw[]): Promise<ApiKeyRow[]> {
  const ids = rows.map(({ id }) => id)
  const secrets = await secretsOfKeys(database, ids)
  const publicKeys = await publicKeysOfKeys(database, ids)
  const trusts = await trustsOfKeys(database, ids)
  return rows.flatMap((row) => {
    const own = secrets.get(row.id) ?? []
    // A key without secrets was deleted between the two look-ups.
    return own.length === 0 ? [] : [read(row, own, publicKeys.get(row.id) ?? [], trusts.get(row.id) ?? [])]
  })
}

function read(
  { projectId, environmentId, tenantId, permissions, ...row }: Raw,
  secrets: readonly KeySecret[],
  publicKeys: readonly PublicKeyRow[],
  trusts: readonly TrustRow[],
): ApiKeyRow {
  const { id, name, userId, tokensMayMintAdminKeys, setupLinkId, createdAt, revokedAt } = row
  return {
    ...{ id, name, userId, tokensMayMintAdminKeys, setupLinkId, createdAt, revokedAt, secrets, publicKeys, trusts },
    expiresAt: currentSecret(secrets).expiresAt,
    scope: scopeOf({ projectId, environmentId, tenantId }),
    permissions: PERMISSIONS.filter((permission) => permissions.includes(permission)),
  }
}
