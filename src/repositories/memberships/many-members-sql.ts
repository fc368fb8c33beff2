import type { Bindable } from '../../db/database.ts'
import { fold } from '../../scim/comparable.ts'
import type { RepositoryScope } from '../scope.ts'
import { typeSql } from '../sql/append-events.ts'
import { foundRows } from '../sql/found-rows.ts'
import { isOurId } from '../sql/ids.ts'
import { memberBatches, memberBatchJson } from '../sql/member-events.ts'
import { arrayText, ofShape, type Place, type Statement, type Template, template } from '../sql/parameters.ts'
import { hasRulesSql } from '../sql/role-rules.ts'
import { type MembershipChange, strangeIds } from './membership-change.ts'
import { type Common, logged, memberSql, newVersion, SMALL_GROUP } from './membership-parts.ts'

/** What changes need of the statement. Parts that none of them needs are left out. */
interface Shape {
  /** One change comes as plain parameters, many come as one JSON document. */
  readonly one: boolean
  readonly clears: boolean
  readonly counted: boolean
  readonly deferred: boolean
  readonly hasRoles: boolean
  readonly distributed: boolean
}

type Row = ReturnType<typeof rowOf>
type Value = Common | 'rows' | keyof Row

/** The statement that makes these changes, at least one, of any number of members. */
export function manyMembersStatement(
  changes: readonly MembershipChange[],
  scope: RepositoryScope,
  distributed: boolean,
): Statement {
  const { requestId, actor, hasRoles, defersReferences: deferred } = scope
  const tenant: string = scope.tenantId
  const one = changes.length === 1
  const clears = changes.some((change) => change.clear)
  const counted = changes.some((change) => change.counted)
  const shape = { one, clears, counted, deferred, hasRoles, distributed }
  const { text, values } = ofShape(statements, Object.values(shape).join(), () => statement(shape))
  const rows = changes.map(rowOf)
  const given = one && rows[0] ? bindable(rows[0]) : { rows: JSON.stringify(rows) }
  return { text, values: values({ tenant, requestId, actor, ...given } as Record<Value, Bindable>) }
}

const [ADDED, REMOVED] = [typeSql('group.member_added'), typeSql('group.member_removed')]

const statements = new Map<string, Template<Value>>()

/** A change as the statement has it. */
function rowOf(change: MembershipChange, ord: number) {
  const display = (id: string) => change.displays?.get(id) ?? null
  const displayKey = (id: string) => {
    const text = display(id)
    return text === null ? null : fold(text)
  }
  const add = change.add.filter(isOurId)
  const strange = strangeIds(change)
  return {
    ord,
    group_id: change.groupId,
    expected: change.expectedVersion,
    clear: change.clear,
    counted: change.counted ?? false,
    refused: strange.length > 0,
    add,
    displays: change.displays ? add.map(display) : [],
    display_keys: change.displays ? add.map(displayKey) : [],
    remove: change.remove.filter(isOurId),
    strange,
    strange_displays: strange.map(display),
    strange_removed: change.remove,
  }
}

/** The same as plain parameters, lists as array literals. */
const bindable = (row: Row): Record<keyof Row, Bindable> => ({
  ...row,
  add: arrayText(row.add, 'uuid'),
  displays: arrayText(row.displays, 'text'),
  display_keys: arrayText(row.display_keys, 'text'),
  remove: arrayText(row.remove, 'uuid'),
  strange: arrayText(row.strange, 'text'),
  strange_displays: arrayText(row.strange_displays, 'text'),
  strange_removed: arrayText(row.strange_removed, 'text'),
})

function inputSql({ one, deferred }: Shape, place: Place<Value>): string {
  const uuids = ['add', 'remove'] as const
  const kept = deferred ? (['strange', 'strange_displays', 'strange_removed'] as const) : []
  const texts = ['displays', 'display_keys', ...kept] as const
  if (one) {
    const list = (type: string) => (name: keyof Row) => `${place(name, 'text')}::${type}[] as ${name}`
    return `select 0 as ord, ${place('group_id', 'uuid')} as group_id, ${place('expected', 'bigint')} as expected,
      ${place('clear', 'boolean')} as clear, ${place('counted', 'boolean')} as counted, ${place('refused', 'boolean')} as refused,
      ${[...uuids.map(list('uuid')), ...texts.map(list('text'))].join(', ')}`
  }
  const list = (cast: string) => (name: string) =>
    `array(select jsonb_array_elements_text(j.${name})${cast}) as ${name}`
  return `select ord, group_id, expected, clear, counted, refused, ${[...uuids.map(list('::uuid')), ...texts.map(list(''))].join(', ')}
    from jsonb_to_recordset(${place('rows', 'text')}::jsonb) as j(ord int, group_id uuid, expected bigint, clear boolean, counted boolean,
      refused boolean, add jsonb, displays jsonb, display_keys jsonb, remove jsonb, strange jsonb, strange_displays jsonb, strange_removed jsonb)`
}

/**
 * The statement looks rows up one by one (a `limit` or `offset` keeps it so), deletes them by where they lie, and names groups
 * in arrays. The planner cannot know how many rows there are. For joins it would read all members of the group or all resources
 * of the tenant, and for many members again for each.
 */
const statement = (shape: Shape) =>
  template<Value>((place) => {
    const { clears, counted, deferred, hasRoles, distributed } = shape
    const tenant = place('tenant', 'uuid')
    const rows = foundRows(distributed, (row) => `${row}.tenant_id = ${tenant}`, 'group_id', 'member_id')
    const later = deferred ? deferredSql(tenant, clears) : undefined
    const refusals = deferred
      ? ''
      : 'and not i.refused and not exists (select 1 from wanted w where w.ord = i.ord and not w.known)'
    const leaving = clears
      ? `union all (
          select g.group_id, n.member_id from applied g cross join lateral (
            select n.member_id from memberships n where n.tenant_id = ${tenant} and n.group_id = g.group_id offset 0
          ) n where g.clear
          except select w.group_id, w.id from wanted w
        )`
      : ''
    const notCounted = counted ? ' and r.id not in (select group_id from applied where counted)' : ''
    return `with input as materialized (${inputSql(shape, place)}),
    target as materialized (
      select r.id, r.version, r.modified_at from resources r
      where r.tenant_id = ${tenant} and (r.resource_type = 'Group') is true and r.id = any(array(select group_id from input))
      order by r.id for no key update
    ),
    wanted as materialized (
      select i.ord, i.group_id, w.id, w.display, w.display_key, o.id is not null as known
      from input i cross join lateral unnest(i.add, i.displays, i.display_keys) as w(id, display, display_key)
      left join lateral (${memberSql(tenant, 'w.id')} limit 1) o on true
    ),
    rules as materialized (select ${hasRulesSql(tenant, hasRoles)} as has_rules),
    applied as materialized (
      select i.* from input i join target t on t.id = i.group_id
      where (i.expected is null or i.expected = t.version) ${refusals} and not (select has_rules from rules)
    ),
    added as (
      insert into memberships (tenant_id, group_id, member_id, display, display_key)
      select distinct on (w.group_id, w.id) ${tenant}, w.group_id, w.id, w.display, w.display_key
      from applied g join wanted w on w.ord = g.ord where w.known
      on conflict do nothing returning group_id, member_id
    ),
    removed as (
      delete from memberships m where ${rows.isAmong(
        'm',
        `
        select ${rows.columns('y')} from (
          select g.group_id, x.id from applied g cross join lateral unnest(g.remove) as x(id) ${leaving}
        ) x cross join lateral (
          select ${rows.columns('n')} from memberships n
          where n.tenant_id = ${tenant} and n.group_id = x.group_id and n.member_id = x.id limit 1
        ) y
      `,
      )}
      returning m.group_id, m.member_id
    ),
    ${later?.parts ?? ''}
    moved as materialized (
      select ${ADDED} as type, group_id, member_id::text from added
      union all select ${REMOVED}, group_id, member_id::text from removed
      ${later?.moved ?? ''}
    ),
    ${newVersion(tenant, `= any(array(select distinct group_id from moved))${notCounted}`)},
    standing as (
      select id, version, modified_at from new_version
      ${counted ? 'union all select t.id, t.version, t.modified_at from target t join applied g on g.group_id = t.id where g.counted' : ''}
    ),
    ${logged(place, {
      type: { sql: 'x.type' },
      changes: memberBatchJson('x.member_id'),
      from: `(${memberBatches('select * from moved', ', type')}) x join standing b on b.id = x.group_id
      group by b.id, b.version, b.modified_at, x.type, x.batch order by x.type, x.batch`,
    })}
    select t.version::int as before, b.version::int as after, i.expected is null or i.expected = t.version as fits,
      (select count(*) from (
        select 1 from memberships m where m.tenant_id = ${tenant} and m.group_id = i.group_id
        order by m.member_id limit ${SMALL_GROUP + 1}
      ) m) + cardinality(i.add) <= ${SMALL_GROUP} as small,
      (select string_agg(w.id::text, ' ') from (select id from wanted w where w.ord = i.ord and not w.known limit 5) w) as unknown,
      (select has_rules from rules) as has_rules
    from input i left join target t on t.id = i.group_id left join new_version b on b.id = i.group_id order by i.ord`
  })

/** The same for members that the tenant does not have, where it keeps them. */
function deferredSql(tenant: string, clears: boolean): { parts: string; moved: string } {
  const parts = `strangers as materialized (
      select w.ord, w.group_id, w.id::text as value, w.display from wanted w where not w.known
      union select i.ord, i.group_id, s.value, s.display from input i cross join lateral unnest(i.strange, i.strange_displays) as s(value, display)
    ),
    deferred as (
      insert into deferred_members (tenant_id, group_id, value, display)
      select distinct on (s.group_id, s.value) ${tenant}, s.group_id, s.value, s.display from applied g join strangers s on s.ord = g.ord
      on conflict do nothing returning group_id, value
    ),
    dropped as (
      delete from deferred_members d using applied g
      where d.tenant_id = ${tenant} and d.group_id = g.group_id and (d.value = any(g.strange_removed) ${
        clears ? 'or g.clear and not exists (select 1 from strangers s where s.ord = g.ord and s.value = d.value)' : ''
      })
      returning d.group_id, d.value
    ),`
  const moved = `union all select ${ADDED}, group_id, value from deferred
      union all select ${REMOVED}, group_id, value from dropped`
  return { parts, moved }
}
