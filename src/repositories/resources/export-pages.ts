import { and, asc, eq, sql } from 'drizzle-orm'
import { type Database, READERS } from '../../db/database.ts'
import { deferredMembers, memberships } from '../../db/schema.ts'
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
  const { reader = READERS } = scope
  const orm = db.reading(reader, { replica: true })
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
      const rowsOf = (table: string) => `(select count(*) from ${table} m where m.tenant_id = $1::uuid)`
      const resources = `(select coalesce(sum(n.total), 0) from (${countRows('$1::uuid')}) n)`
      const [row] = await db.run<{ count: number }>(
        `select (${resources} + ${rowsOf('memberships')} + ${rowsOf('deferred_members')})::float8 as count`,
        [tenantId],
        { prepare: false, reader, replica: true },
      )
      return row?.count ?? 0
    },
  }
}
