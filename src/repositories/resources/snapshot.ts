import { type Database, READERS, type Reader } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { Parameters } from '../sql/parameters.ts'

/** A resource as it stands, without what is computed. */
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

/** Reads all that a tenant has, stretch by stretch: no transaction is held open, and no stretch grows with the tenant. */
export function snapshotOf(database: Database, tenantId: TenantId, reader: Reader = READERS) {
  const db = database.asTenant(tenantId)
  return {
    /** The resources of all types that come after the one with the id `after`, by id; none at the end. */
    resources: (after: string | undefined, limit = RESOURCES_AT_ONCE): Promise<StoredResource[]> =>
      db.run<StoredResource>(
        `select r.id::text, r.resource_type as type, r.version::float8 as version, r.active, r.document from resources r
         where r.tenant_id = $1::uuid and r.id > $2::uuid order by r.id limit ${Math.trunc(limit)}`,
        [tenantId, after ?? NIL],
        { reader },
      ),

    /** Those with these ids, in no order; missing ones are left out. */
    resourcesById(ids: readonly string[]): Promise<StoredResource[]> {
      const parameters = new Parameters()
      const tenant = parameters.bind(tenantId, 'uuid')
      return db.run<StoredResource>(
        `select r.id::text, r.resource_type as type, r.version::float8 as version, r.active, r.document from resources r
         where r.tenant_id = ${tenant} and r.id = any(${parameters.array(ids, 'uuid')})`,
        parameters.values,
        { reader },
      )
    },

    /** Ids of a group's members that come after `after`; none at the end. */
    async members(groupId: string, after: string | undefined): Promise<string[]> {
      const rows = await db.run<{ id: string }>(
        `select m.member_id::text as id from memberships m
         where m.tenant_id = $1::uuid and m.group_id = $2::uuid and m.member_id > $3::uuid
         order by m.member_id limit ${MEMBERS_AT_ONCE}`,
        [tenantId, groupId, after ?? NIL],
        { reader },
      )
      return rows.map(({ id }) => id)
    },

    /** Values of a group's members that are nobody here (yet), in the same way. */
    async deferredMembers(groupId: string, after: string | undefined): Promise<string[]> {
      const rows = await db.run<{ value: string }>(
        `select d.value from deferred_members d
         where d.tenant_id = $1::uuid and d.group_id = $2::uuid and d.value > $3::text
         order by d.value limit ${MEMBERS_AT_ONCE}`,
        [tenantId, groupId, after ?? ''],
        { reader },
      )
      return rows.map(({ value }) => value)
    },
  }
}

const NIL = '00000000-0000-0000-0000-000000000000'
