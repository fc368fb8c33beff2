import type { Database } from '../db/database.ts'
import type { BoundFilter } from '../scim/filter/ast.ts'
import type { FilterScope } from './filter-sql.ts'
import { memberConditionSql } from './filter-sql.ts'
import { memberBatches, memberBatchJson } from './member-events.ts'
import { Parameters } from './parameters.ts'
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
}

/** What became of a change; only `done` left anything behind. */
export type MembershipOutcome =
  | { readonly outcome: 'done'; readonly version: number; readonly changed: boolean }
  | { readonly outcome: 'missing' }
  | { readonly outcome: 'version'; readonly version: number }
  | { readonly outcome: 'unknown-members'; readonly ids: readonly string[] }

interface OutcomeRow {
  readonly before: number | null
  readonly after: number | null
  readonly fits: boolean | null
  readonly unknown: string | null
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
      // An id that is not of our making names nobody, and must not reach a uuid column.
      const strange = changes.map((change) => change.add.filter((id) => !isOurId(id)))
      const rows = await applied(
        changes.map((change) => ({
          ...change,
          add: change.add.filter(isOurId),
          remove: change.remove.filter(isOurId),
        })),
        strange.map((ids) => ids.length > 0),
      )
      return changes.map((_, i): MembershipOutcome => {
        const row = rows[i]
        if (row === undefined || row.before === null) return { outcome: 'missing' }
        if (!row.fits) return { outcome: 'version', version: row.before }
        const unknown = [...(strange[i] ?? []), ...(row.unknown?.split(' ') ?? [])]
        if (unknown.length > 0) return { outcome: 'unknown-members', ids: unknown }
        return { outcome: 'done', version: row.after ?? row.before, changed: row.after !== null }
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

  async function applied(changes: readonly MembershipChange[], refused: readonly boolean[]): Promise<OutcomeRow[]> {
    const parameters = new Parameters()
    const tenant = parameters.bind(scope.tenantId, 'uuid')
    const [request, actor] = [parameters.bind(scope.requestId, 'text'), parameters.bind(scope.actor, 'text')]
    const clears = changes.some((change) => change.clear)
    const statement = `with input as materialized (${input(changes, refused, parameters)}),
      target as materialized (
        select r.id, r.version from resources r
        where r.tenant_id = ${tenant} and r.resource_type = 'Group' and r.id in (select group_id from input)
        order by r.id for no key update
      ),
      wanted as materialized (
        select i.ord, i.group_id, w.id, o.id is not null as known from input i cross join lateral unnest(i.add) as w(id)
        left join resources o on o.tenant_id = ${tenant} and o.id = w.id and o.resource_type in ('User', 'Group')
      ),
      going as materialized (
        select i.ord, i.group_id, i.clear, i.remove from input i join target t on t.id = i.group_id
        where (i.expected is null or i.expected = t.version) and not i.refused
          and not exists (select 1 from wanted w where w.ord = i.ord and not w.known)
      ),
      added as (
        insert into memberships (tenant_id, group_id, member_id)
        select distinct ${tenant}, w.group_id, w.id from going g join wanted w on w.ord = g.ord
        on conflict do nothing returning group_id, member_id
      ),
      removed as (
        delete from memberships m using (
          select g.group_id, x.id from going g cross join lateral unnest(g.remove) as x(id)
          ${
            clears
              ? `union all
          select g.group_id, n.member_id from going g join memberships n on n.tenant_id = ${tenant} and n.group_id = g.group_id
          where g.clear and not exists (select 1 from wanted w where w.ord = g.ord and w.id = n.member_id)`
              : ''
          }
        ) x
        where m.tenant_id = ${tenant} and m.group_id = x.group_id and m.member_id = x.id
        returning m.group_id, m.member_id
      ),
      moved as materialized (
        select 'group.member_added' as type, group_id, member_id from added
        union all select 'group.member_removed', group_id, member_id from removed
      ),
      bumped as (
        update resources r set version = r.version + 1,
          modified_at = greatest(date_trunc('milliseconds', now()), r.modified_at + interval '1 millisecond')
        where r.tenant_id = ${tenant} and r.id in (select group_id from moved)
        returning r.id, r.version, r.modified_at
      ),
      logged as (
        insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
        select ${tenant}, x.type, 'Group', b.id, b.version, ${request}, ${actor}, b.modified_at,
          ${memberBatchJson('x.member_id')}
        from (${memberBatches('select * from moved', ', type')}) x join bumped b on b.id = x.group_id
        group by b.id, b.version, b.modified_at, x.type, x.batch order by x.type, x.batch
      )
      select t.version::int as before, b.version::int as after, i.expected is null or i.expected = t.version as fits,
        (select string_agg(w.id::text, ' ') from (select id from wanted w where w.ord = i.ord and not w.known limit 5) w) as unknown
      from input i left join target t on t.id = i.group_id left join bumped b on b.id = i.group_id order by i.ord`
    return db.run<OutcomeRow>(statement, parameters.values)
  }
}

function input(changes: readonly MembershipChange[], refused: readonly boolean[], parameters: Parameters): string {
  const [first] = changes
  if (first && changes.length === 1) {
    return `select 0 as ord, ${parameters.bind(first.groupId, 'uuid')} as group_id,
      ${parameters.bind(first.expectedVersion, 'bigint')} as expected, ${parameters.bind(first.clear, 'boolean')} as clear,
      ${parameters.bind(refused[0] ?? false, 'boolean')} as refused,
      ${parameters.array(first.add, 'uuid')} as add, ${parameters.array(first.remove, 'uuid')} as remove`
  }
  const rows = changes.map((change, ord) => ({
    ord,
    group_id: change.groupId,
    expected: change.expectedVersion,
    clear: change.clear,
    refused: refused[ord],
    added: `{${change.add.join(',')}}`,
    removed: `{${change.remove.join(',')}}`,
  }))
  return `select ord, group_id, expected, clear, refused, added::uuid[] as add, removed::uuid[] as remove
    from jsonb_to_recordset(${parameters.json(rows)}) as i(ord int, group_id uuid, expected bigint, clear boolean,
      refused boolean, added text, removed text)`
}
