import { asc, eq, gt } from 'drizzle-orm'
import { foldKey, isUuid } from '../context/scim-path.ts'
import type { Database } from '../db/database.ts'
import { projects } from '../db/schema.ts'

export interface ProjectRow {
  readonly id: string
  readonly key: string
  readonly name: string
  readonly paused: boolean
  readonly createdAt: Date
}

/** A stretch of a list in the order of creation: up to `limit` rows after the one with the id `after`. */
export interface Page {
  readonly after: string | undefined
  readonly limit: number
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
    async find(name: string): Promise<ProjectRow | undefined> {
      const named = isUuid(name) ? eq(projects.id, name) : eq(projects.keyFolded, foldKey(name))
      const rows = await orm.select(columns).from(projects).where(named)
      return rows[0]
    },

    list({ after, limit }: Page): Promise<ProjectRow[]> {
      const condition = after === undefined ? undefined : gt(projects.id, after)
      return orm.select(columns).from(projects).where(condition).orderBy(asc(projects.id)).limit(limit)
    },

    async insert(row: { id: string; key: string; name: string; paused?: boolean }): Promise<ProjectRow | undefined> {
      const values = { ...row, keyFolded: foldKey(row.key) }
      const rows = await orm.insert(projects).values(values).onConflictDoNothing().returning(columns)
      return rows[0]
    },

    async change(id: string, values: { name: string; paused: boolean }): Promise<ProjectRow | undefined> {
      const rows = await orm.update(projects).set(values).where(eq(projects.id, id)).returning(columns)
      return rows[0]
    },

    async delete(id: string): Promise<void> {
      await orm.delete(projects).where(eq(projects.id, id))
    },
  }
}
