import { and, asc, eq } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import {
  catalogues,
  environmentFeeds,
  environments,
  feedStretches,
  formerAddresses,
  schemaDefinitions,
  webhookEndpoints,
} from '../../db/schema.ts'
import type { EnvironmentId, ProjectId } from '../../place-ids.ts'
import { foldKey, isUuid } from '../../tenancy/scim-path.ts'
import { type EnvironmentSettings, parseStoredSettings } from '../../tenancy/settings.ts'
import { type Hold, holding, type ListPage } from '../sql/lists.ts'
import { comesAfter, hasId, newPlaceId } from '../sql/place-ids.ts'

export interface EnvironmentRow {
  readonly id: EnvironmentId
  readonly projectId: ProjectId
  readonly key: string
  readonly name: string
  readonly settings: EnvironmentSettings
  readonly paused: boolean
  readonly createdAt: Date
}

/** The environments of one project; their names are keys or ids. */
export function environmentsOf({ orm }: Database, projectId: ProjectId) {
  const columns = {
    id: environments.id,
    projectId: environments.projectId,
    key: environments.key,
    name: environments.name,
    settings: environments.settings,
    paused: environments.paused,
    createdAt: environments.createdAt,
  }
  const inProject = eq(environments.projectId, projectId)
  return {
    async find(name: string, hold?: Hold): Promise<EnvironmentRow | undefined> {
      const named = isUuid(name) ? hasId(environments.id, name) : eq(environments.keyFolded, foldKey(name))
      return first(await holding(orm.select(columns).from(environments).where(and(inProject, named)), hold))
    },

    async list({ after, limit }: ListPage): Promise<EnvironmentRow[]> {
      const condition = after === undefined ? inProject : and(inProject, comesAfter(environments.id, after))
      const rows = await orm
        .select(columns)
        .from(environments)
        .where(condition)
        .orderBy(asc(environments.id))
        .limit(limit)
      return rows.map(read)
    },

    async insert(row: {
      key: string
      name: string
      settings: EnvironmentSettings
      paused?: boolean
    }): Promise<EnvironmentRow | undefined> {
      const values = { ...row, id: newPlaceId<EnvironmentId>(), projectId, keyFolded: foldKey(row.key) }
      return first(await orm.insert(environments).values(values).onConflictDoNothing().returning(columns))
    },

    async change(
      id: EnvironmentId,
      values: { name: string; settings: EnvironmentSettings; paused: boolean },
    ): Promise<EnvironmentRow | undefined> {
      const condition = and(inProject, eq(environments.id, id))
      return first(await orm.update(environments).set(values).where(condition).returning(columns))
    },

    /** Deletes an environment without tenants, with what is its own and the addresses of tenants that have moved away. */
    async delete(id: EnvironmentId): Promise<void> {
      await orm.delete(formerAddresses).where(eq(formerAddresses.environmentId, id))
      await orm.delete(webhookEndpoints).where(eq(webhookEndpoints.environmentId, id))
      await orm.delete(catalogues).where(eq(catalogues.environmentId, id))
      await orm.delete(schemaDefinitions).where(eq(schemaDefinitions.environmentId, id))
      await orm.delete(environmentFeeds).where(eq(environmentFeeds.environmentId, id))
      await orm.delete(feedStretches).where(eq(feedStretches.environmentId, id))
      await orm.delete(environments).where(and(inProject, eq(environments.id, id)))
    },
  }
}

type Raw = Omit<EnvironmentRow, 'settings'> & { settings: unknown }

const read = (row: Raw): EnvironmentRow => ({ ...row, settings: parseStoredSettings(row.settings) })
const first = ([row]: Raw[]): EnvironmentRow | undefined => row && read(row)
