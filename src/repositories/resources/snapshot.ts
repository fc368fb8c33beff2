import { and, asc, eq, gt } from 'drizzle-orm'
import { type Database, type Orm, READERS, type Reader } from '../../db/database.ts'
import { deferredMembers, memberships, resources } from '../../db/schema.ts'
import type { TenantId } from '../../place-ids.ts'
import { isAnyOf, literal, uuids } from '../sql/fragments.ts'
import { FIRST_ID } from '../sql/ids.ts'

/** A resource as it is stored, without what is computed. */
export interface StoredResource {
  readonly id: string
  readonly type: string
  readonly version: number
  readonly active: boolean | null
  /** JSON text of its attributes. */
  readonly document: string
}

const RESOURCES_AT_ONCE = 200
const MEMBERS_AT_ONCE = 1_000

/** Reads a whole tenant page by page: no transaction is held open, and no page grows with the tenant. */
export function snapshotOf(database: Database, tenantId: TenantId, reader: Reader = READERS) {
  const own = database.asTenant(tenantId)
  const orm = own.reading(reader, { replica: true })
  const { id, resourceType: type, version, active, document } = resources
  const stored = (from: Orm) => from.select({ id, type, version, active, document }).from(resources)
  return {
    /** The resources of all types that come after the one with the id `after`, by id; none at the end. */
    resources: (after: string | undefined, limit = RESOURCES_AT_ONCE): Promise<StoredResource[]> =>
      stored(orm)
        .where(and(eq(resources.tenantId, tenantId), gt(id, after ?? FIRST_ID)))
        .orderBy(asc(id))
        .limit(literal(limit)),

    /** The resources with these ids, in no order; missing ones are left out. */
    resourcesById: (ids: readonly string[]): Promise<StoredResource[]> =>
      stored(own.reading(reader)).where(and(eq(resources.tenantId, tenantId), isAnyOf(id, uuids(ids)))),

    /** Ids of a group's members that come after `after`; none at the end. */
    async members(groupId: string, after: string | undefined): Promise<string[]> {
      const { memberId } = memberships
      const rows = await orm
        .select({ id: memberId })
        .from(memberships)
        .where(
          and(eq(memberships.tenantId, tenantId), eq(memberships.groupId, groupId), gt(memberId, after ?? FIRST_ID)),
        )
        .orderBy(asc(memberId))
        .limit(literal(MEMBERS_AT_ONCE))
      return rows.map((row) => row.id)
    },

    /** Values of a group's members that are (yet) no resources of the tenant, in the same way. */
    async deferredMembers(groupId: string, after: string | undefined): Promise<string[]> {
      const { value } = deferredMembers
      const rows = await orm
        .select({ value })
        .from(deferredMembers)
        .where(
          and(eq(deferredMembers.tenantId, tenantId), eq(deferredMembers.groupId, groupId), gt(value, after ?? '')),
        )
        .orderBy(asc(value))
        .limit(literal(MEMBERS_AT_ONCE))
      return rows.map((row) => row.value)
    },
  }
}
