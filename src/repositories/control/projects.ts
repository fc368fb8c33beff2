import { asc, eq } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { projects } from '../../db/schema.ts'
import type { ProjectId } from '../../place-ids.ts'
import { foldKey, isUuid } from '../../tenancy/scim-path.ts'
import { type Hold, holding, type ListPage } from '../sql/lists.ts'
import { comesAfter, hasId, newPlaceId } from '../sql/place-ids.ts'

export interface ProjectRow {
  readonly id: ProjectId
  readonly key: string
  readonly name: string
  readonly paused: boolean
  readonly createdAt: Date
}

/** The projects of the instance; their names are keys or ids. */
export function projectsIn({ orm }: Database) {
  const columns = {
    id: projects.id,
    key: projects.key,
    name: projects.name,
    paused: projects.paused,
    createdAt: projects.createdAt,
  }
  return {
    async find(name: string, hold?: Hold): Promise<ProjectRow | undefined> {
      const named = isUuid(name) ? hasId(projects.id, name) : eq(projects.keyFolded, foldKey(name))
      const rows = await holding(orm.select(columns).from(projects).where(named), hold)
      return rows[0]
    },

    list({ after, limit }: ListPage): Promise<ProjectRow[]> {
      const condition = after === undefined ? undefined : comesAfter(projects.id, after)
      return orm.select(columns).from(projects).where(condition).orderBy(asc(projects.id)).limit(limit)
    },

    async insert(row: { key: string; name: string; paused?: boolean }): Promise<ProjectRow | undefined> {
      const values = { ...row, id: newPlaceId<ProjectId>(), keyFolded: foldKey(row.key) }
      const rows = await orm.insert(projects).values(values).onConflictDoNothing().returning(columns)
      return rows[0]
    },

    async change(id: ProjectId, values: { name: string; paused: boolean }): Promise<ProjectRow | undefined> {
      const rows = await orm.update(projects).set(values).where(eq(projects.id, id)).returning(columns)
      return rows[0]
    },

    async delete(id: ProjectId): Promise<void> {
      await orm.delete(projects).where(eq(projects.id, id))
    },
  }
}
