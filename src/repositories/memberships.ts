import type { Database } from '../db/database.ts'
import { fold } from '../scim/comparable.ts'
import type { BoundFilter } from '../scim/filter/ast.ts'
import type { FilterScope } from './attribute-sql.ts'
import { memberConditionSql } from './filter-sql.ts'
import { memberBatches, memberBatchJson } from './member-events.ts'
import { Parameters } from './parameters.ts'
import { rolesBegun, withoutRoleRules } from './role-bindings.ts'
import { isOurId } from './stored-form.ts'
import type { RepositoryScope } from './tenant-scope.ts'

/** A change of one group's members. With `clear` everybody goes who is not in `add`; otherwise only those in `remove`. */
export interface MembershipChange {
  readonly groupId: string
  /** Null takes any version. */
  readonly expectedVersion: number | null
  readonly clear: boolean
  readonly add: readonly string[]
  readonly remove: readonly string[]
  /** By id, the `display` that the client sent with an added member. */
  readonly displays?: ReadonlyMap<string, string>
  /** True when the same transaction has given the group a new version already, of which this change is a part. */
  readonly counted?: boolean
}

/** What became of a change; only `done` left anything behind. */
export type MembershipOutcome =
  /** `small` when the group was small enough before to be shown in the answer. */
  | { readonly outcome: 'done'; readonly version: number; readonly changed: boolean; readonly small: boolean }
  | { readonly outcome: 'missing' }
  | { readonly outcome: 'version'; readonly version: number }
  | { readonly outcome: 'unknown-members'; readonly ids: readonly string[] }

/** Groups of up to this many members are answered whole after a change. */
const SMALL_GROUP = 20

/** Changes of more members than this are planned anew. */
const MANY_MEMBERS = 500

interface OutcomeRow {
  readonly before: number | null
  readonly after: number | null
  readonly fits: boolean | null
  readonly small: boolean | null
  readonly unknown: string | null
  readonly ruled: boolean
}

/** Who is in which group of one tenant. A change costs what it changes: nothing here reads a group's members to change them. */
export function membershipsOf(db: Database, scope: RepositoryScope) {
  return {
    /**
     * Makes changes of one or many groups in one statement, each whole or not at all. Changes of the same group in one call
     * must not touch the same member. Additions merge with those of other writers; the group's row is locked first, so
     * versions count up one by one, and an expected version holds until the commit.
     */
    async change(changes: readonly MembershipChange[]): Promise<MembershipOutcome[]> {
      // An id that is not of our making is no group's, and must not reach a uuid column.
      const known = changes.filter((change) => isOurId(change.groupId))
      const parameters = new Parameters()
      const replan = known.reduce((sum, change) => sum + change.add.length + change.remove.length, 0) > MANY_MEMBERS
      const rows =
        known.length === 0
          ? []
          : await db.run<OutcomeRow>(changeSql(known, scope, parameters), parameters.values, { replan })
      if (rows.some(({ ruled }) => ruled)) rolesBegun(scope)
      return changes.map((change): MembershipOutcome => {
        const row = rows[known.indexOf(change)]
        if (row === undefined || row.before === null) return { outcome: 'missing' }
        if (!row.fits) return { outcome: 'version', version: row.before }
        const unknown = scope.defersReferences ? [] : [...strangeIds(change), ...(row.unknown?.split(' ') ?? [])]
        if (unknown.length > 0) return { outcome: 'unknown-members', ids: unknown }
        const { before, after, small } = row
        return { outcome: 'done', version: after ?? before, changed: after !== null, small: small === true }
      })
    },

    /** Ids of a group's members that fit the filter of a value path such as `members[type eq "Group"]`. */
    async matching(groupId: string, filter: BoundFilter, filterScope: Omit<FilterScope, 'parameters' | 'tenant'>) {
      if (!isOurId(groupId)) return []
      const parameters = new Parameters()
      const tenant = parameters.bind(scope.tenantId, 'uuid')
      const rows = await db.run<{ id: string }>(
        `select m.member_id::text as id from memberships m
         join resources o on o.tenant_id = m.tenant_id and o.id = m.member_id
         where m.tenant_id = ${tenant} and m.group_id = ${parameters.bind(groupId, 'uuid')}
           and ${memberConditionSql(filter, { ...filterScope, parameters, tenant })}`,
        parameters.values,
        { prepare: false },
      )
      return rows.map((row) => row.id)
    },
  }
}

/** An id that is not of our making names nobody, and must not reach a uuid column. */
const strangeIds = (change: MembershipChange): string[] => change.add.filter((id) => !isOurId(id))

/**
 * Rows are looked up one by one (a `limit` or `offset` keeps it so), deleted by where they lie, and groups are named in
 * arrays. With joins the planner, which cannot know how few or how many there are, reads all members of the group or all
 * resources of the tenant, and for many members again for each.
 */
function changeSql(changes: readonly MembershipChange[], scope: RepositoryScope, parameters: Parameters): string {
  const tenant = parameters.bind(scope.tenantId, 'uuid')
  const [request, actor] = [parameters.bind(scope.requestId, 'text'), parameters.bind(scope.actor, 'text')]
  const clears = changes.some((change) => change.clear)
  const counted = changes.some((change) => change.counted)
  const deferred = scope.defersReferences ? deferredSql(tenant, clears) : undefined
  const now = `date_trunc('milliseconds', now())`
  const refusals = deferred
    ? ''
    : 'and not i.refused and not exists (select 1 from wanted w where w.ord = i.ord and not w.known)'
  const leaving = clears
    ? `union all (
          select g.group_id, n.member_id from going g cross join lateral (
            select n.member_id from memberships n where n.tenant_id = ${tenant} and n.group_id = g.group_id offset 0
          ) n where g.clear
          except select w.group_id, w.id from wanted w
        )`
    : ''
  return `with input as materialized (${input(changes, scope, parameters)}),
    target as materialized (
      select r.id, r.version, r.modified_at from resources r
      where r.tenant_id = ${tenant} and r.resource_type = 'Group' and r.id = any(array(select group_id from input))
      order by r.id for no key update
    ),
    wanted as materialized (
      select i.ord, i.group_id, w.id, w.display, w.display_key, o.id is not null as known
      from input i cross join lateral unnest(i.add, i.displays, i.display_keys) as w(id, display, display_key)
      left join lateral (
        select o.id from resources o
        where o.tenant_id = ${tenant} and o.id = w.id and o.resource_type in ('User', 'Group') limit 1
      ) o on true
    ),
    unruled as materialized (select ${scope.hasRoles ? 'true' : withoutRoleRules(tenant)} as yes),
    going as materialized (
      select i.* from input i join target t on t.id = i.group_id
      where (i.expected is null or i.expected = t.version) ${refusals} and (select yes from unruled)
    ),
    added as (
      insert into memberships (tenant_id, group_id, member_id, display, display_key)
      select distinct on (w.group_id, w.id) ${tenant}, w.group_id, w.id, w.display, w.display_key
      from going g join wanted w on w.ord = g.ord where w.known
      on conflict do nothing returning group_id, member_id
    ),
    removed as (
      delete from memberships m where m.tenant_id = ${tenant} and m.ctid = any(array(
        select y.ctid from (
          select g.group_id, x.id from going g cross join lateral unnest(g.remove) as x(id) ${leaving}
        ) x cross join lateral (
          select n.ctid from memberships n
          where n.tenant_id = ${tenant} and n.group_id = x.group_id and n.member_id = x.id limit 1
        ) y
      ))
      returning m.group_id, m.member_id
    ),
    ${deferred?.parts ?? ''}
    moved as materialized (
      select 'group.member_added' as type, group_id, member_id::text from added
      union all select 'group.member_removed', group_id, member_id::text from removed
      ${deferred?.moved ?? ''}
    ),
    bumped as (
      update resources r set version = r.version + 1, modified_at = greatest(${now}, r.modified_at + interval '1 millisecond')
      where r.tenant_id = ${tenant} and r.id = any(array(select distinct group_id from moved))
        ${counted ? 'and r.id not in (select group_id from going where counted)' : ''}
      returning r.id, r.version, r.modified_at
    ),
    standing as (
      select id, version, modified_at from bumped
      ${counted ? 'union all select t.id, t.version, t.modified_at from target t join going g on g.group_id = t.id where g.counted' : ''}
    ),
    logged as (
      insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
      select ${tenant}, x.type, 'Group', b.id, b.version, ${request}, ${actor}, b.modified_at, ${memberBatchJson('x.member_id')}
      from (${memberBatches('select * from moved', ', type')}) x join standing b on b.id = x.group_id
      group by b.id, b.version, b.modified_at, x.type, x.batch order by x.type, x.batch
    )
    select t.version::int as before, b.version::int as after, i.expected is null or i.expected = t.version as fits,
      (select count(*) from (
        select 1 from memberships m where m.tenant_id = ${tenant} and m.group_id = i.group_id
        order by m.member_id limit ${SMALL_GROUP + 1}
      ) m) + cardinality(i.add) <= ${SMALL_GROUP} as small,
      (select string_agg(w.id::text, ' ') from (select id from wanted w where w.ord = i.ord and not w.known limit 5) w) as unknown,
      not (select yes from unruled) as ruled
    from input i left join target t on t.id = i.group_id left join bumped b on b.id = i.group_id order by i.ord`
}

/** The same for members that are nobody here, where the tenant keeps them. */
function deferredSql(tenant: string, clears: boolean): { parts: string; moved: string } {
  const parts = `strangers as materialized (
      select w.ord, w.group_id, w.id::text as value, w.display from wanted w where not w.known
      union select i.ord, i.group_id, s.value, s.display from input i cross join lateral unnest(i.strange, i.strange_displays) as s(value, display)
    ),
    deferred as (
      insert into deferred_members (tenant_id, group_id, value, display)
      select distinct on (s.group_id, s.value) ${tenant}, s.group_id, s.value, s.display from going g join strangers s on s.ord = g.ord
      on conflict do nothing returning group_id, value
    ),
    dropped as (
      delete from deferred_members d using going g
      where d.tenant_id = ${tenant} and d.group_id = g.group_id and (d.value = any(g.strange_removed) ${
        clears ? 'or g.clear and not exists (select 1 from strangers s where s.ord = g.ord and s.value = d.value)' : ''
      })
      returning d.group_id, d.value
    ),`
  const moved = `union all select 'group.member_added', group_id, value from deferred
      union all select 'group.member_removed', group_id, value from dropped`
  return { parts, moved }
}

/** One change comes as plain parameters, many come as one JSON document; the rest of the statement is the same. */
function input(changes: readonly MembershipChange[], scope: RepositoryScope, parameters: Parameters): string {
  const rows = changes.map((change, ord) => {
    const display = (id: string) => change.displays?.get(id) ?? null
    const displayKey = (id: string) => {
      const text = display(id)
      return text === null ? null : fold(text)
    }
    const [add, strange] = [change.add.filter(isOurId), strangeIds(change)]
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
  })
  const kept = scope.defersReferences
  const [first] = rows
  if (first && rows.length === 1) {
    return `select 0 as ord, ${parameters.bind(first.group_id, 'uuid')} as group_id,
      ${parameters.bind(first.expected, 'bigint')} as expected, ${parameters.bind(first.clear, 'boolean')} as clear,
      ${parameters.bind(first.counted, 'boolean')} as counted, ${parameters.bind(first.refused, 'boolean')} as refused,
      ${parameters.array(first.add, 'uuid')} as add, ${parameters.array(first.displays, 'text')} as displays,
      ${parameters.array(first.display_keys, 'text')} as display_keys,
      ${parameters.array(first.remove, 'uuid')} as remove
      ${
        kept
          ? `, ${parameters.array(first.strange, 'text')} as strange,
      ${parameters.array(first.strange_displays, 'text')} as strange_displays,
      ${parameters.array(first.strange_removed, 'text')} as strange_removed`
          : ''
      }`
  }
  const uuids = (name: string) => `array(select jsonb_array_elements_text(j.${name})::uuid) as ${name}`
  const texts = (name: string) => `array(select jsonb_array_elements_text(j.${name})) as ${name}`
  return `select ord, group_id, expected, clear, counted, refused, ${uuids('add')}, ${texts('displays')}, ${texts('display_keys')}, ${uuids('remove')}
      ${kept ? `, ${['strange', 'strange_displays', 'strange_removed'].map(texts).join(', ')}` : ''}
    from jsonb_to_recordset(${parameters.json(rows)}) as j(ord int, group_id uuid, expected bigint, clear boolean, counted boolean,
      refused boolean, add jsonb, displays jsonb, display_keys jsonb, remove jsonb, strange jsonb, strange_displays jsonb, strange_removed jsonb)`
}
