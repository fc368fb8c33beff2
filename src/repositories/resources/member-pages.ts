import { type Database, READERS } from '../../db/database.ts'
import type { RepositoryScope } from '../scope.ts'
import { inTurn } from '../sql/heavy-work.ts'
import { LAST_ID } from '../sql/ids.ts'
import { arrayText, ofShape, Parameters, type Template, template } from '../sql/parameters.ts'
import { baseInJson, type JsonText, MEMBERS_AT_ONCE, memberElements, memberJson } from './rows.ts'

/** Up to where the members of a group have been read: behind the member with this id, and behind this deferred value. */
export interface MembersPosition {
  readonly id: string
  readonly value: string
}

/** What one statement reads of one group; all groups of the statement are as they were at the same moment. */
export interface MembersRead {
  /** Undefined where the group is gone. */
  readonly version: number | undefined
  /** JSON texts of the next members, with commas between them; null where the statement read none of this group. */
  readonly elements: string | null
  readonly count: number
}

/** Whether members joined a group or left it, by their ids. */
export type MemberMoves = ReadonlyMap<string, 'joined' | 'left'>

/** The most text of events that is read to follow a group: some 5,000 members. */
const MOST_MOVED_BYTES = 200_000
/** How long before an answer a transaction may have begun of which the changes come during it. */
const LONG_TRANSACTION_MS = 60_000

/** The members of large groups, page by page in the order of ids: no statement waits for a client. */
export function memberPagesOf(db: Database, scope: RepositoryScope) {
  const { tenantId: tenant, baseUrl, defersReferences } = scope
  const options = { name: 'members-read', reader: scope.reader ?? READERS, replica: true } as const
  const base = baseInJson(baseUrl)
  return {
    /** False where what moved can not be told from the log: values that are no ids move there as well. */
    follows: !defersReferences,

    /** The next `MEMBERS_AT_ONCE` members of these groups: of the first, then of the second, and so on. */
    async read(groups: readonly { readonly id: string; readonly position: MembersPosition }[]): Promise<MembersRead[]> {
      const { text, values } = ofShape(readStatements, String(defersReferences), () => readStatement(defersReferences))
      const [ids, behind] = [groups.map(({ id }) => id), groups.map(({ position }) => position.id)]
      const passed = groups.map(({ position }) => position.value)
      const lists = {
        ids: arrayText(ids, 'uuid'),
        behind: arrayText(behind, 'uuid'),
        passed: arrayText(passed, 'text'),
      }
      const ask = () => db.run<ReadRow>(text, values({ tenant, base, ...lists }), options)
      const rows = await (db.inTransaction ? ask() : inTurn(db, 'members', tenant, ask, options.reader))
      const all = groups.map((): MembersRead => ({ version: undefined, elements: null, count: 0 }))
      for (const { ord, version, elements, count } of rows) {
        const before = all[ord - 1] as MembersRead
        all[ord - 1] = elements === null ? { ...before, version: version ?? undefined } : { ...before, elements, count }
      }
      return all
    },

    /**
     * What moved between two versions of a group, the first move of each member. Undefined where the log does not tell all of
     * it, or where it is too much.
     *
     * @param sinceMs how long ago the first of the versions was read
     */
    async moves(group: string, after: number, to: number, sinceMs: number): Promise<MemberMoves | undefined> {
      const parameters = new Parameters()
      const ms = parameters.bind(Math.ceil(sinceMs) + LONG_TRANSACTION_MS, 'float8')
      const rows = await db.run<{ version: number; type: string; changes: string }>(
        `select x.version, x.type, x.changes from (
           select e.seq, e.version::int as version, e.type, e.changes, sum(length(e.changes)) over () as size from events e
           where e.tenant_id = ${parameters.bind(tenant, 'uuid')} and e.occurred_at >= now() - ${ms} * interval '1 millisecond'
             and e.resource_id = ${parameters.bind(group, 'uuid')}
             and e.version > ${parameters.bind(after, 'bigint')} and e.version <= ${parameters.bind(to, 'bigint')}
         ) x where x.size <= ${MOST_MOVED_BYTES} order by x.version, x.seq`,
        parameters.values,
        options,
      )
      // Each version has its events, and those of one version come together: where all versions are there, nothing is missing.
      if (new Set(rows.map(({ version }) => version)).size < to - after) return undefined
      const moves = new Map<string, 'joined' | 'left'>()
      for (const { type, changes } of rows) {
        const way = WAYS[type]
        if (way === undefined) continue
        for (const id of (JSON.parse(changes) as { members: string[] }).members) if (!moves.has(id)) moves.set(id, way)
      }
      return moves
    },

    /** JSON texts of these members, with commas between them, whether they are members still or not. */
    async named(ids: readonly string[]): Promise<string> {
      const parameters = new Parameters()
      const json = memberJson('o', 'null::text', parameters.bind(base, 'text'))
      const [row] = await db.run<{ elements: string | null }>(
        `select string_agg(coalesce(o.json, '{"value":"' || w.id || '"}'), ',' order by w.id) as elements
         from unnest(${parameters.array(ids, 'uuid')}) w(id) left join lateral (
           select ${json} as json from resources o where o.tenant_id = ${parameters.bind(tenant, 'uuid')} and o.id = w.id offset 0
         ) o on true`,
        parameters.values,
        options,
      )
      return row?.elements ?? ''
    },
  }
}

const WAYS: Readonly<Record<string, 'joined' | 'left'>> = {
  'group.member_added': 'joined',
  'group.member_removed': 'left',
}

/** The position behind the last of some members. Quotes inside of JSON strings are escaped, so no text can look like a member. */
export function behindLast(members: JsonText): MembersPosition {
  const text = members.toString()
  const json = text.slice(text.lastIndexOf(MEMBER))
  const { value, type } = JSON.parse(json) as { value: string; type?: string }
  // What is no resource has no type, and comes behind all ids.
  return type === undefined ? { id: LAST_ID, value } : { id: value, value: '' }
}
const MEMBER = '{"value":"'

interface ReadRow {
  readonly ord: number
  readonly version: number | null
  readonly elements: string | null
  readonly count: number
}

type ReadValue = 'tenant' | 'base' | 'ids' | 'behind' | 'passed'

const readStatements = new Map<string, Template<ReadValue>>()

const readStatement = (withDeferred: boolean) =>
  template<ReadValue>((place) => {
    const places = { tenant: place('tenant', 'uuid'), base: () => place('base', 'text'), withDeferred }
    const elements = memberElements(places, {
      ...{ group: 'a.id', after: { id: 'a.behind', value: 'a.passed' }, most: MEMBERS_AT_ONCE },
    })
    // A limit that ends a nested loop: groups that it does not get to cost nothing.
    return `with asked as materialized (
      select a.id, a.behind, a.passed, a.ord
      from unnest(${place('ids', 'text')}::uuid[], ${place('behind', 'text')}::uuid[], ${place('passed', 'text')}::text[])
        with ordinality a(id, behind, passed, ord)
    )
    select a.ord::int as ord, r.version::int as version, null::text as elements, 0 as count
    from asked a left join lateral (
      select r.version from resources r where r.tenant_id = ${places.tenant} and r.id = a.id offset 0
    ) r on true
    union all
    select n.ord::int, null, string_agg(n.json, ',' order by n.at), count(*)::int
    from (
      select x.ord, x.json, row_number() over () as at from (
        select a.ord, m.json from asked a cross join lateral (${elements}) m limit ${MEMBERS_AT_ONCE}
      ) x
    ) n
    group by n.ord`
  })
