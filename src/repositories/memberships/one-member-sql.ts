import { fold } from '../../scim/comparable.ts'
import type { RepositoryScope } from '../scope.ts'
import {
  cannotFollowSql,
  followedPart,
  movedRoleEvents,
  movedRolesPart,
  type RuleTexts,
  ruleTexts,
  unboundSql,
} from '../sql/followed-roles.ts'
import { isOurId } from '../sql/ids.ts'
import { ofShape, type Place, type Statement, type Template, template } from '../sql/parameters.ts'
import { hasRulesSql } from '../sql/role-rules.ts'
import type { MembershipChange } from './membership-change.ts'
import { type Common, logged, memberSql, newVersion, SMALL_GROUP } from './membership-parts.ts'

/** The statement for a change that adds or removes one member and does nothing else; undefined for any other change. */
export function oneMemberStatement(
  change: MembershipChange,
  scope: RepositoryScope,
  distributed: boolean,
): Statement | undefined {
  const member = onlyMember(change)
  if (member === undefined) return undefined
  const { tenantId: tenant, requestId, actor, hasRoles, roleRules = NO_RULES } = scope
  const shape = { op: member.op, hasRoles, follows: hasRoles && scope.roleRules !== undefined, distributed }
  const { text, values } = ofShape(statements, Object.values(shape).join(), () => statement(shape))
  const { groupId: group, expectedVersion: expected } = change
  return { text, values: values({ tenant, requestId, actor, group, expected, ...member, ...ruleTexts(roleRules) }) }
}

const NO_RULES: NonNullable<RepositoryScope['roleRules']> = []

const statements = new Map<string, Template<Value>>()

/** The member of a change that adds or removes one and does nothing else; undefined for any other change. */
export function onlyMember({ add, remove, clear, counted, displays }: MembershipChange) {
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

interface Shape {
  readonly op: 'add' | 'remove'
  readonly hasRoles: boolean
  /** The statement follows roles by itself. */
  readonly follows: boolean
  readonly distributed: boolean
}

type Value = Common | keyof RuleTexts | 'group' | 'member' | 'expected' | 'display' | 'displayKey'

/**
 * The statement for the most frequent change. It has the effect of `manyMembersStatement` with as few parts as can be, because
 * PostgreSQL takes longer to get a part ready than to insert a row. It gets them ready again for each writer that it waited for.
 */
const statement = ({ op, hasRoles, follows, distributed }: Shape) =>
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
    const event = op === 'add' ? 'role.assigned' : 'role.unassigned'
    const roles = follows
      ? {
          followed: `${followedPart(tenant, member, group, { unless: needsMoreLocks(tenant, group, member, place), distributed })},\n    `,
          moved: `${movedRolesPart(tenant, 'exists (select 1 from moved)')},\n    `,
          events: [movedRoleEvents(event, member)],
        }
      : { followed: '', moved: '', events: [] }
    // In brackets on Citus: what is locked and read in one part, it reads in another format than it has written.
    const [open, close] = follows && distributed ? ['select l.* from (', ') l'] : ['', '']
    return `with ${roles.followed}checked as materialized (
      ${open}select r.id, r.version, ${expected} is null or ${expected} = r.version as fits, ${known} as known,
        ${follows ? cannotFollowSql(tenant, 'f') : hasRulesSql(tenant, hasRoles)} as has_rules
      from ${follows ? 'followed f cross join ' : ''}resources r where r.tenant_id = ${tenant} and r.id = ${group} and (r.resource_type = 'Group') is true
      for no key update${follows ? ' of r' : ''}${close}
    ),
    moved as (${moved}),
    ${newVersion(tenant, '= (select group_id from moved)')},
    ${roles.moved}${logged(
      place,
      {
        type: op === 'add' ? 'group.member_added' : 'group.member_removed',
        changes: `json_build_object('members', json_build_array(${member}))::text`,
        from: 'new_version b',
      },
      ...roles.events,
    )}
    select c.version::int as before, (select version from new_version)::int as after, c.fits, c.has_rules,
      case when c.known then null else ${member}::text end as unknown,
      not exists (
        select 1 from memberships m where m.tenant_id = ${tenant} and m.group_id = ${group}
        order by m.member_id offset ${op === 'add' ? SMALL_GROUP - 1 : SMALL_GROUP} limit 1
      ) as small
    from checked c`
  })

/** Condition that more than this user's roles are at stake: the member is a group, or the group will give one more role. */
const needsMoreLocks = (tenant: string, group: string, member: string, place: Place<Value>) =>
  `exists (
        select 1 from resources o where o.tenant_id = ${tenant} and o.id = ${member} and o.resource_type = 'Group'
      ) or exists (
        select 1 from resources g where g.tenant_id = ${tenant} and g.id = ${group} and ${unboundSql(tenant, 'g', {
          ruleNames: place('ruleNames', 'text'),
          rulePatterns: place('rulePatterns', 'text'),
          ruleExternalIds: place('ruleExternalIds', 'text'),
        })}
      )`
