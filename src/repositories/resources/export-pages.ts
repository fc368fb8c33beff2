import { type Database, READERS } from '../../db/database.ts'
import type { RepositoryScope } from '../scope.ts'
import { Parameters } from '../sql/parameters.ts'
import { snapshotOf } from './snapshot.ts'

/** Who is in a group; `member` is an id, or for deferred members what the client sent as one. */
export interface StoredMember {
  readonly group: string
  readonly member: string
  /** What the client called the member. */
  readonly display: string | null
}

const NIL = '00000000-0000-0000-0000-000000000000'

/** All that one tenant has, stretch by stretch in the order of keys: no stretch grows with the tenant, and none is missed. */
export function exportPagesOf(db: Database, scope: RepositoryScope) {
  const reading = { reader: scope.reader ?? READERS }
  const ofTenant = () => {
    const parameters = new Parameters()
    return { parameters, tenant: parameters.bind(scope.tenantId, 'uuid') }
  }
  return {
    /** Resources of every type, after the one with the id `after`, by id. */
    resources: snapshotOf(db, scope.tenantId, scope.reader).resources,

    /** Memberships after `after`, by group and member. */
    members(after: Pick<StoredMember, 'group' | 'member'> | undefined, limit: number): Promise<StoredMember[]> {
      const { parameters, tenant } = ofTenant()
      const { group, member } = after ?? { group: NIL, member: NIL }
      return db.run<StoredMember>(
        `select m.group_id::text as "group", m.member_id::text as member, m.display from memberships m
         where m.tenant_id = ${tenant}
           and (m.group_id, m.member_id) > (${parameters.bind(group, 'uuid')}, ${parameters.bind(member, 'uuid')})
         order by m.group_id, m.member_id limit ${Math.trunc(limit)}`,
        parameters.values,
        reading,
      )
    },

    /** Members that are nobody here, after `after`, by group and value. */
    deferredMembers(after: Pick<StoredMember, 'group' | 'member'> | undefined, limit: number): Promise<StoredMember[]> {
      const { parameters, tenant } = ofTenant()
      const { group, member } = after ?? { group: NIL, member: '' }
      return db.run<StoredMember>(
        `select d.group_id::text as "group", d.value as member, d.display from deferred_members d
         where d.tenant_id = ${tenant}
           and (d.group_id, d.value) > (${parameters.bind(group, 'uuid')}, ${parameters.bind(member, 'text')})
         order by d.group_id, d.value limit ${Math.trunc(limit)}`,
        parameters.values,
        reading,
      )
    },

    /** How many rows the three have together. */
    async count(): Promise<number> {
      const { parameters, tenant } = ofTenant()
      const [row] = await db.run<{ count: number }>(
        `select ((select coalesce(sum(c.delta), 0) from resource_counts c where c.tenant_id = ${tenant})
           + (select count(*) from memberships m where m.tenant_id = ${tenant})
           + (select count(*) from deferred_members d where d.tenant_id = ${tenant}))::float8 as count`,
        parameters.values,
        reading,
      )
      return row?.count ?? 0
    },
  }
}
