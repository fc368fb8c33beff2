import { and, asc, eq, gt, isNull, type SQL } from 'drizzle-orm'
import type { Permission, Scope } from '../context/principal.ts'
import { PERMISSIONS } from '../context/principal.ts'
import type { Database } from '../db/database.ts'
import { apiKeys } from '../db/schema.ts'
import type { Page } from './projects.ts'

export interface ApiKeyRow {
  readonly id: string
  readonly scope: Scope
  readonly name: string
  readonly hash: string
  readonly permissions: readonly Permission[]
  /** The user for whom the key stands; null for a provisioning client. */
  readonly userId: string | null
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
  readonly lastUsedAt: Date | null
}

/** API keys by their public id; the only look-up that runs before a tenant is known. */
export async function findApiKey({ orm }: Database, id: string): Promise<ApiKeyRow | undefined> {
  const [row] = await orm.select().from(apiKeys).where(eq(apiKeys.id, id))
  return row && read(row)
}

/** True when a key for the whole instance was ever made, be it revoked since. */
export async function instanceKeyExists({ orm }: Database): Promise<boolean> {
  const rows = await orm.select({ id: apiKeys.id }).from(apiKeys).where(isNull(apiKeys.projectId)).limit(1)
  return rows.length > 0
}

/** The keys whose scope is `place` or lies below it. */
export function apiKeysWithin({ orm }: Database, place: Scope) {
  const within = conditionOf(place)
  return {
    async find(id: string): Promise<ApiKeyRow | undefined> {
      const [row] = await orm
        .select()
        .from(apiKeys)
        .where(and(within, eq(apiKeys.id, id)))
      return row && read(row)
    },

    async list({ after, limit }: Page): Promise<ApiKeyRow[]> {
      const condition = after === undefined ? within : and(within, gt(apiKeys.id, after))
      const rows = await orm.select().from(apiKeys).where(condition).orderBy(asc(apiKeys.id)).limit(limit)
      return rows.map(read)
    },

    /** Keeps the row, so that it still shows who could do what; false when there is no such key here. */
    async revoke(id: string, at: Date): Promise<boolean> {
      const rows = await orm
        .update(apiKeys)
        .set({ revokedAt: at })
        .where(and(within, eq(apiKeys.id, id), isNull(apiKeys.revokedAt)))
        .returning({ id: apiKeys.id })
      return rows.length > 0 || (await this.find(id)) !== undefined
    },
  }
}

export async function insertApiKey(
  { orm }: Database,
  row: Pick<ApiKeyRow, 'id' | 'scope' | 'name' | 'hash' | 'permissions' | 'userId' | 'expiresAt'>,
): Promise<ApiKeyRow> {
  const { scope, permissions, ...values } = row
  const [inserted] = await orm
    .insert(apiKeys)
    .values({
      ...values,
      permissions: [...permissions],
      projectId: scope.kind === 'instance' ? null : scope.projectId,
      environmentId: scope.kind === 'environment' || scope.kind === 'tenant' ? scope.environmentId : null,
      tenantId: scope.kind === 'tenant' ? scope.tenantId : null,
    })
    .returning()
  if (inserted === undefined) throw new Error('the inserted API key was not returned')
  return read(inserted)
}

/** Deletes the keys whose scope is `place` or lies below it, when `place` itself is deleted. */
export async function deleteApiKeysWithin(
  { orm }: Database,
  place: Exclude<Scope, { kind: 'instance' }>,
): Promise<void> {
  await orm.delete(apiKeys).where(conditionOf(place))
}

/**
 * Notes when keys were last used, in one statement.
 *
 * Rows that another instance is noting at this moment are passed over: it writes much the same, and nobody waits.
 */
export async function recordApiKeyUse(
  database: Database,
  uses: readonly { readonly id: string; readonly at: number }[],
): Promise<void> {
  await database.run(
    `with used as (
       select k.id, u.at from api_keys k join json_to_recordset($1::text::json) as u(id text, at float8) on u.id = k.id
       for no key update of k skip locked
     )
     update api_keys k set last_used_at = greatest(k.last_used_at, to_timestamp(used.at / 1000))
     from used where k.id = used.id`,
    [JSON.stringify(uses)],
  )
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

function read(row: typeof apiKeys.$inferSelect): ApiKeyRow {
  const { projectId, environmentId, tenantId, permissions, ...rest } = row
  return {
    ...rest,
    scope: scopeOf(projectId, environmentId, tenantId),
    permissions: PERMISSIONS.filter((permission) => permissions.includes(permission)),
  }
}

function scopeOf(projectId: string | null, environmentId: string | null, tenantId: string | null): Scope {
  if (projectId === null) return { kind: 'instance' }
  if (environmentId === null) return { kind: 'project', projectId }
  if (tenantId === null) return { kind: 'environment', projectId, environmentId }
  return { kind: 'tenant', projectId, environmentId, tenantId }
}
