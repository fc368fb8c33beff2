import { asc, eq } from 'drizzle-orm'
import { foldKey, isUuid } from '../../tenancy/scim-path.ts'
import type { Database } from '../../db/database.ts'
import { projects } from '../../db/schema.ts'
import type { ProjectId } from '../../place-ids.ts'
import { comesAfter, hasId, newPlaceId } from '../sql/place-ids.ts'

export interface ProjectRow {
  readonly id: ProjectId
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

/**
 * How a row that is found is held until the end of the transaction: so that it stays there (`key share`), that it also stays as
 * it is (`share`), for whoever changes it (`no key update`), or for whoever deletes it (`update`), when nothing new can refer to
 * it. Rows are held from the outer place to the inner one.
 */
export type Hold = 'key share' | 'share' | 'no key update' | 'update'

/** The query, which holds the rows that it finds. */
export const holding = <Query extends { for(strength: Hold): unknown }>(query: Query, hold: Hold | undefined): Query =>
  (hold === undefined ? query : query.for(hold)) as Query

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

    list({ after, limit }: Page): Promise<ProjectRow[]> {
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
