import { and, asc, eq, sql } from 'drizzle-orm'
import { type Database, READERS } from '../../db/database.ts'
import { deferredMembers, memberships, tenants } from '../../db/schema.ts'
import type { RepositoryScope } from '../scope.ts'
import { literal } from '../sql/fragments.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { countRows } from './counts.ts'
import { snapshotOf } from './snapshot.ts'

/** A member of a group; `member` is an id, or for deferred members the value that the client sent. */
export interface StoredMember {
  readonly group: string
  readonly member: string
  /** The name that the client sent for the member. */
  readonly display: string | null
}

/** All rows of one tenant, page by page in the order of keys: no page grows with the tenant, and no row is missed. */
export function exportPagesOf(db: Database, scope: RepositoryScope) {
  const { tenantId } = scope
  const orm = db.reading(scope.reader ?? READERS, { replica: true })
  return {
    /** Resources of every type, after the one with the id `after`, by id. */
    resources: snapshotOf(db, tenantId, scope.reader).resources,

    /** Memberships after `after`, by group and member. */
    members(after: Pick<StoredMember, 'group' | 'member'> | undefined, limit: number): Promise<StoredMember[]> {
      const { groupId, memberId, display } = memberships
      const { group, member } = after ?? { group: FIRST_ID, member: FIRST_ID }
      return orm
        .select({ group: groupId, member: memberId, display })
        .from(memberships)
        .where(
          and(eq(memberships.tenantId, tenantId), sql`(${groupId}, ${memberId}) > (${group}::uuid, ${member}::uuid)`),
        )
        .orderBy(asc(groupId), asc(memberId))
        .limit(literal(limit))
    },

    /** Members that are no resources of the tenant, after `after`, by group and value. */
    deferredMembers(after: Pick<StoredMember, 'group' | 'member'> | undefined, limit: number): Promise<StoredMember[]> {
      const { groupId, value, display } = deferredMembers
      const { group, member } = after ?? { group: FIRST_ID, member: '' }
      return orm
        .select({ group: groupId, member: value, display })
        .from(deferredMembers)
        .where(
          and(eq(deferredMembers.tenantId, tenantId), sql`(${groupId}, ${value}) > (${group}::uuid, ${member}::text)`),
        )
        .orderBy(asc(groupId), asc(value))
        .limit(literal(limit))
    },

    /** How many rows the three have together. */
    async count(): Promise<number> {
      const rowsOf = (table: typeof memberships | typeof deferredMembers) =>
        orm.select({ rows: sql`count(*)` }).from(table).where(eq(table.tenantId, tenantId))
      // Raw, since the text is shared with the hot statements; it is a constant.
      const resources = sql`select coalesce(sum(n.total), 0) from (${sql.raw(countRows('tenants.id'))}) n`
      const [row] = await orm
        .select({
          count: sql<number>`((${resources}) + ${rowsOf(memberships)} + ${rowsOf(deferredMembers)})::float8`,
        })
        .from(tenants)
        .where(eq(tenants.id, tenantId))
      return row?.count ?? 0
    },
  }
}
