import { type Database, READERS } from '../../db/database.ts'
import type { RepositoryScope } from '../scope.ts'
import { Parameters } from '../sql/parameters.ts'

/** A direct member of a group. */
export interface Membership {
  readonly groupId: string
  readonly memberId: string
  /** Name of the member's resource type: `User` or `Group`. */
  readonly memberType: string
}

/** Which memberships, and which page of them; ids are UUIDs. */
export interface MembershipQuery {
  readonly groupId: string | undefined
  readonly memberId: string | undefined
  readonly after: Pick<Membership, 'groupId' | 'memberId'> | undefined
  readonly limit: number
}

/** The memberships of one tenant as a list, in the order of group and member. */
export function membershipPagesOf(db: Database, scope: RepositoryScope) {
  return {
    async list({ groupId, memberId, after, limit }: MembershipQuery): Promise<Membership[]> {
      const parameters = new Parameters()
      const tenant = parameters.bind(scope.tenantId, 'uuid')
      const conditions = [
        `m.tenant_id = ${tenant}`,
        ...(groupId === undefined ? [] : [`m.group_id = ${parameters.bind(groupId, 'uuid')}`]),
        ...(memberId === undefined ? [] : [`m.member_id = ${parameters.bind(memberId, 'uuid')}`]),
        ...(after === undefined
          ? []
          : [
              `(m.group_id, m.member_id) > (${parameters.bind(after.groupId, 'uuid')}, ${parameters.bind(after.memberId, 'uuid')})`,
            ]),
      ]
      // The type is looked up for each row of the page: joined, a plan that does not know the tenant reads all resources.
      return db.run<Membership>(
        `select p.group_id::text as "groupId", p.member_id::text as "memberId", (
           select r.resource_type from resources r where r.tenant_id = ${tenant} and r.id = p.member_id
         ) as "memberType"
         from (
           select m.group_id, m.member_id from memberships m where ${conditions.join(' and ')}
           order by m.group_id, m.member_id limit ${Math.trunc(limit)}
         ) p
         order by p.group_id, p.member_id`,
        parameters.values,
        { name: 'memberships-page', reader: scope.reader ?? READERS, replica: true },
      )
    },
  }
}
