import type { Database } from '../../db/database.ts'
import type { BoundFilter } from '../../scim/filter/ast.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { memberConditionSql } from '../query/related-sql.ts'
import type { WriteResult } from '../resources/write-result.ts'
import type { RepositoryScope } from '../scope.ts'
import { isOurId } from '../sql/ids.ts'
import { Parameters, type Statement } from '../sql/parameters.ts'
import { manyMembersStatement } from './many-members-sql.ts'
import { type MembershipChange, strangeIds } from './membership-change.ts'
import { oneMemberStatement } from './one-member-sql.ts'

/** What became of the change of one group; only `done` left anything behind. */
export type MembershipOutcome =
  /** `small` when the group was small enough before to be shown in the answer. */
  | { readonly outcome: 'done'; readonly version: number; readonly changed: boolean; readonly small: boolean }
  | { readonly outcome: 'missing' }
  | { readonly outcome: 'version'; readonly version: number }
  | { readonly outcome: 'unknown-members'; readonly ids: readonly string[] }

/** Changes of more members than this are planned anew. */
const MANY_MEMBERS = 500

interface OutcomeRow {
  readonly before: number | null
  readonly after: number | null
  readonly fits: boolean | null
  readonly small: boolean | null
  readonly unknown: string | null
  readonly has_rules: boolean
}

/** The statement for these changes: nearly always one member comes or goes, which has a statement of its own. */
function changeStatement(
  changes: readonly MembershipChange[],
  scope: RepositoryScope,
  distributed: boolean,
): Statement {
  const [first, ...more] = changes
  const alone = first !== undefined && more.length === 0 && !scope.defersReferences
  return (
    (alone ? oneMemberStatement(first, scope, distributed) : undefined) ??
    manyMembersStatement(changes, scope, distributed)
  )
}

/** The members of the groups of one tenant. A change costs what it changes: it reads no other member of the group. */
export function membershipsOf(db: Database, scope: RepositoryScope) {
  const make = (changes: readonly MembershipChange[]) => {
    const { text, values } = changeStatement(changes, scope, db.distributed)
    const replan = changes.reduce((sum, change) => sum + change.add.length + change.remove.length, 0) > MANY_MEMBERS
    return db.run<OutcomeRow>(text, values, { name: 'members-change', replan })
  }
  return {
    /**
     * Makes changes of one or many groups in one statement, each whole or not at all. Changes of the same group in one call
     * must not touch the same member. Additions merge with those of other writers; the group's row is locked first, so
     * versions count up one by one, and an expected version holds until the commit.
     */
    async change(changes: readonly MembershipChange[]): Promise<WriteResult<MembershipOutcome[]>> {
      // An id that is not of our making is no group's, and must not reach a uuid column.
      const known = changes.filter((change) => isOurId(change.groupId))
      const rows = known.length === 0 ? [] : await make(known)
      if (rows.some(({ has_rules }) => has_rules)) return { outcome: 'roles-apply' }
      const result = changes.map((change): MembershipOutcome => {
        const row = rows[known.indexOf(change)]
        if (row === undefined || row.before === null) return { outcome: 'missing' }
        if (!row.fits) return { outcome: 'version', version: row.before }
        const unknown = scope.defersReferences ? [] : [...strangeIds(change), ...(row.unknown?.split(' ') ?? [])]
        if (unknown.length > 0) return { outcome: 'unknown-members', ids: unknown }
        const { before, after, small } = row
        return { outcome: 'done', version: after ?? before, changed: after !== null, small: small === true }
      })
      return { outcome: 'done', result }
    },

    /**
     * Ids of a group's members that fit the filter of a value path such as `members[type eq "Group"]`.
     *
     * @param type the resource type Group
     * @param endpoints of all resource types, by name
     */
    async matching(
      groupId: string,
      type: ResourceType,
      filter: BoundFilter,
      endpoints: ReadonlyMap<string, string>,
    ): Promise<string[]> {
      if (!isOurId(groupId)) return []
      const parameters = new Parameters()
      // No filter of a value path is about times, so the log helps none of them.
      const filterScope = {
        ...scope,
        type,
        endpoints,
        loggedSince: Number.POSITIVE_INFINITY,
        distributed: db.distributed,
      }
      const tenant = parameters.bind(scope.tenantId, 'uuid')
      const rows = await db.run<{ id: string }>(
        `select m.member_id::text as id from memberships m
         join resources o on o.tenant_id = m.tenant_id and o.id = m.member_id
         where m.tenant_id = ${tenant} and m.group_id = ${parameters.bind(groupId, 'uuid')}
           and ${memberConditionSql(filter, { ...filterScope, parameters, tenant })}`,
        parameters.values,
        { name: 'members-match', prepare: false },
      )
      return rows.map((row) => row.id)
    },
  }
}
