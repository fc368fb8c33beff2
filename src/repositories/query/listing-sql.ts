import type { ResourceType } from '../../scim/schema/resource-type.ts'
import {
  GROUP_ENDS,
  groupJson,
  hasManagers,
  ID_LENGTH,
  type JsonText,
  membersColumn,
  packedAlone,
  type ResourceRow,
  type RowPlaces,
  rowOf,
  type Wanted,
} from '../resources/rows.ts'
import { Utf8Text } from '../resources/utf8-text.ts'
import { groupsAboveEach } from '../sql/groups-above.ts'
import type { SortValue } from './sort-sql.ts'

/** What decides which columns a listing has. */
export interface ListingShape {
  /** Undefined for resources of several types. */
  readonly type: ResourceType | undefined
  readonly wanted: Wanted
  readonly sorted: boolean
}

/** Where the resources of a listing come from. */
export interface ListingSource {
  /** Tables of the statement; `counted` has one row with `total`. */
  readonly tables: string
  /** What follows `from`: rows `r` of `resources` in the order of the page; of `p.sort` where the page is sorted. */
  readonly rows: string
  /** Whether these are all resources of one type from the lowest of their ids to the highest. */
  readonly follow: boolean
}

/** A row of a listing. */
export type BytesRow = readonly (Buffer | null)[]

/** A resource on a page. */
export interface FoundRow extends ResourceRow<JsonText> {
  /** The row's value of `sortBy`; only where the query was sorted. */
  readonly sort?: SortValue
  /** Name of the resource type; only in a query over several. */
  readonly type?: string
}

/** What a listing says. */
export interface Listing {
  readonly total: number
  readonly rows: readonly FoundRow[]
}

/** With what a text begins that is no resource's: no id begins so. */
const [TOTAL, MANAGER, GROUP, OUTER, USER] = ['t', 'm', 'g', 'o', 'u'] as const

/**
 * The statement for a page. It gives the total, then each manager's name once and each group once, then the groups of each group
 * and of each user, and at last the resources: to look up managers and groups for each resource takes longer than all the rest. Each of them is a
 * text in a row, of which the first letter says what it is. The gateway puts them together.
 *
 * PostgreSQL reads the parts of a `union all` one after the other, and the rows of a table in the order in which they were put
 * there. So nothing is sorted once more, which would copy whole documents.
 */
export function listingSql(shape: ListingShape, places: RowPlaces, { tables, rows, follow }: ListingSource): string {
  const { type, wanted, sorted } = shape
  const { tenant, base } = places
  const columns = [
    ['id', 'r.id'],
    ['packed', packedAlone(type)],
    ['manager_id', withManagers(type) && 'r.manager_id'],
    ['resource_type', (type === undefined || withMembers(shape)) && 'r.resource_type'],
    ['sort', sorted && 'p.sort::text'],
  ].flatMap(([name, column]) => (column ? `${column} as ${name}` : []))
  const groups = wanted.groups && (type === undefined || type.name === 'User')
  const users = `select l.id from listed l${type === undefined ? ` where l.resource_type = 'User'` : ''}`
  const apart = namesApart(shape)
  const none = apart.map(() => ', null::text').join('')
  const parts = [
    `select '${TOTAL}' || t.total::text as packed${none} from counted t`,
    withManagers(type) &&
      `select '${MANAGER}' || m.id::text || case when m.display_key is null then '' else m.label end${none}
      from (select distinct l.manager_id as id from listed l where l.manager_id is not null) w cross join lateral (
        select m.id, m.display_key, m.label from resources m where m.tenant_id = ${tenant} and m.id = w.id offset 0
      ) m`,
    groups &&
      `select '${GROUP}' || g.id::text || ${groupJson(base())}${none}
      from (select group_id as id from joined union select above_id from above) w cross join lateral (
        select g.id, g.label from resources g where g.tenant_id = ${tenant} and g.id = w.id offset 0
      ) g`,
    groups &&
      `select '${OUTER}' || a.group_id::text || string_agg(a.above_id::text, '')${none} from above a group by a.group_id`,
    groups &&
      `select '${USER}' || j.member_id::text || string_agg(j.group_id::text, '')${none} from joined j group by j.member_id`,
    `select r.packed${apart.map((name) => `, ${name === 'members' ? membersColumn(places) : `r.${name}`}`).join('')}
      from listed r`,
  ]
  return `with recursive ${tables},
    listed as (select ${columns.join(', ')} from ${rows})${groups ? `, ${groupsAboveEach(tenant, users, follow)}` : ''}
    ${parts.filter(Boolean).join('\n    union all ')}`
}

/** Names of the columns beside `packed`, in their order. */
const namesApart = (shape: ListingShape): ('members' | 'sort' | 'resource_type')[] => [
  ...(withMembers(shape) ? (['members'] as const) : []),
  ...(shape.sorted ? (['sort'] as const) : []),
  ...(shape.type === undefined ? (['resource_type'] as const) : []),
]

const withManagers = (type: ResourceType | undefined) => type === undefined || hasManagers(type)
const withMembers = ({ type, wanted }: ListingShape) => wanted.members && (type === undefined || type.name === 'Group')

/** Reads the rows of a listing. */
export function readListing(shape: ListingShape, rows: readonly BytesRow[]): Listing {
  const apart = namesApart(shape)
  const [membersAt, sortAt, typeAt] = [apart.indexOf('members'), apart.indexOf('sort'), apart.indexOf('resource_type')]
  const managers = new Map<string, string>()
  const groups = new ListedGroups()
  const listed: FoundRow[] = []
  let total = 0
  for (const row of rows) {
    const packed = row[0] as Buffer
    const bytes = packed.toString('latin1')
    const letter = bytes[0]
    if (letter === TOTAL) total = Number(bytes.slice(1))
    else if (letter === MANAGER) managers.set(bytes.slice(1, ID_END), packed.toString('utf8', ID_END))
    else if (letter === GROUP) groups.named(bytes.slice(1, ID_END), bytes.slice(ID_END))
    else if (letter === OUTER) groups.isIn(bytes.slice(1, ID_END), bytes.slice(ID_END))
    else if (letter === USER) groups.hasUser(bytes.slice(1, ID_END), bytes.slice(ID_END))
    else {
      const documentAt = bytes.indexOf('{')
      const managerAt = bytes.lastIndexOf(' ', documentAt) + 1
      const manager =
        documentAt - managerAt === ID_LENGTH ? managers.get(bytes.slice(managerAt, documentAt)) : undefined
      const members = membersAt === -1 ? null : row[membersAt + 1]
      const found: FoundRow = rowOf<JsonText>(
        bytes.slice(0, documentAt),
        new Utf8Text(bytes.slice(documentAt)),
        manager ?? null,
        groups.of(bytes.slice(0, ID_LENGTH)),
        members ? Utf8Text.of(members) : null,
      )
      listed.push(
        apart.length === (membersAt === -1 ? 0 : 1)
          ? found
          : {
              ...found,
              ...(sortAt === -1 ? {} : { sort: row[sortAt + 1]?.toString() ?? null }),
              ...(typeAt === -1 ? {} : { type: String(row[typeAt + 1]) }),
            },
      )
    }
  }
  return { total, rows: listed }
}

/** The letter, and the id behind it. */
const ID_END = 1 + ID_LENGTH

/** The groups of the users on a page. Users who are in the same ones share one text. */
class ListedGroups {
  /** What `groupJson` gives, by the group's id. */
  readonly #json = new Map<string, string>()
  /** Ids, one behind the other, of the groups that a group is in, directly or not. */
  readonly #outer = new Map<string, string>()
  /** Ids of the groups that a user is in directly. */
  readonly #ofUsers = new Map<string, string>()
  readonly #texts = new Map<string, Utf8Text>()

  named(group: string, json: string): void {
    this.#json.set(group, json)
  }

  isIn(group: string, outer: string): void {
    this.#outer.set(group, outer)
  }

  hasUser(user: string, groups: string): void {
    this.#ofUsers.set(user, groups)
  }

  /** A user's `groups` as JSON, in the order of their ids; null where there are none. */
  of(user: string): Utf8Text | null {
    const ids = this.#ofUsers.get(user)
    if (ids === undefined) return null
    const text = this.#texts.get(ids) ?? this.#textOf(ids)
    this.#texts.set(ids, text)
    return text
  }

  #textOf(ids: string): Utf8Text {
    const direct = new Set(idsIn(ids))
    const all = new Set(direct)
    for (const id of direct) for (const outer of idsIn(this.#outer.get(id) ?? '')) all.add(outer)
    const elements = [...all].sort().flatMap((id) => {
      const json = this.#json.get(id)
      return json === undefined ? [] : [json + GROUP_ENDS[direct.has(id) ? 'direct' : 'indirect']]
    })
    return new Utf8Text(`[${elements.join(',')}]`)
  }
}

const idsIn = (text: string): string[] =>
  Array.from({ length: text.length / ID_LENGTH }, (_, n) => text.slice(n * ID_LENGTH, (n + 1) * ID_LENGTH))
