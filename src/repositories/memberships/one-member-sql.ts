import { fold } from '../../scim/comparable.ts'
import type { RepositoryScope } from '../scope.ts'
import { isOurId } from '../sql/ids.ts'
import { ofShape, type Statement, type Template, template } from '../sql/parameters.ts'
import { hasRulesSql } from '../sql/role-rules.ts'
import type { MembershipChange } from './membership-change.ts'
import { type Common, logged, memberSql, newVersion, SMALL_GROUP } from './membership-parts.ts'

/** The statement for a change that adds or removes one member and does nothing else; undefined for any other change. */
export function oneMemberStatement(change: MembershipChange, scope: RepositoryScope): Statement | undefined {
  const member = onlyMember(change)
  if (member === undefined) return undefined
  const { tenantId: tenant, requestId, actor, hasRoles } = scope
  const { text, values } = ofShape(statements, `${member.op} ${hasRoles}`, () => statement(member.op, hasRoles))
  const { groupId: group, expectedVersion: expected } = change
  return { text, values: values({ tenant, requestId, actor, group, expected, ...member }) }
}

const statements = new Map<string, Template<Value>>()

function onlyMember({ add, remove, clear, counted, displays }: MembershipChange) {
  const [id] = add.length === 1 ? add : remove
  if (clear || counted || add.length + remove.length !== 1 || id === undefined || !isOurId(id)) return undefined
  const display = displays?.get(id) ?? null
  return {
    op: add.length === 1 ? 'add' : 'remove',
    member: id,
    display,
    displayKey: display === null ? null : fold(display),
  } as const
}

type Value = Common | 'group' | 'member' | 'expected' | 'display' | 'displayKey'

/**
 * The statement for the most frequent change. It has the effect of `manyMembersStatement` with as few parts as can be, because
 * PostgreSQL takes longer to get a part ready than to insert a row. It gets them ready again for each writer that it waited for.
 */
const statement = (op: 'add' | 'remove', hasRoles: boolean) =>
  template<Value>((place) => {
    const [tenant, group, member] = [place('tenant', 'uuid'), place('group', 'uuid'), place('member', 'uuid')]
    const expected = place('expected', 'bigint')
    const known = op === 'add' ? `exists (${memberSql(tenant, member)})` : 'true'
    const applied = 'select c.id from checked c where c.fits and c.known and not c.has_rules'
    const moved =
      op === 'add'
        ? `insert into memberships (tenant_id, group_id, member_id, display, display_key)
      select ${tenant}, g.id, ${member}, ${place('display', 'text')}, ${place('displayKey', 'text')} from (${applied}) g
      on conflict do nothing returning group_id`
        : `delete from memberships m
      where m.tenant_id = ${tenant} and m.group_id = (${applied}) and m.member_id = ${member} returning m.group_id`
    return `with checked as materialized (
      select r.id, r.version, ${expected} is null or ${expected} = r.version as fits, ${known} as known,
        ${hasRulesSql(tenant, hasRoles)} as has_rules
      from resources r where r.tenant_id = ${tenant} and r.id = ${group} and (r.resource_type = 'Group') is true
      for no key update
    ),
    moved as (${moved}),
    ${newVersion(tenant, '= (select group_id from moved)')},
    ${logged(place, {
      type: op === 'add' ? 'group.member_added' : 'group.member_removed',
      changes: `json_build_object('members', json_build_array(${member}))::text`,
      from: 'new_version b',
    })}
    select c.version::int as before, (select version from new_version)::int as after, c.fits, c.has_rules,
      case when c.known then null else ${member}::text end as unknown,
      not exists (
        select 1 from memberships m where m.tenant_id = ${tenant} and m.group_id = ${group}
        order by m.member_id offset ${op === 'add' ? SMALL_GROUP - 1 : SMALL_GROUP} limit 1
      ) as small
    from checked c`
  })
