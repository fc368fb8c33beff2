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
const [TOTAL, MANAGER, GROUP, USER] = ['t', 'm', 'g', 'u'] as const

/**
 * The statement for a page. It gives the total, then each manager's name once and each group once, then the groups of each user,
 * and at last the resources: to look up managers and groups for each resource takes longer than all the rest. Each of them is a
 * text in a row, of which the first letter says what it is. The gateway puts them together.
 *
 * PostgreSQL reads the parts of a `union all` one after the other, and the rows of a table in the order in which they were put
 * there. So nothing is sorted once more, which would copy whole documents.
 */
export function listingSql(shape: ListingShape, places: RowPlaces, { tables, rows }: ListingSource): string {
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
      from (select distinct a.group_id as id from above a) w cross join lateral (
        select g.id, g.label from resources g where g.tenant_id = ${tenant} and g.id = w.id offset 0
      ) g`,
    groups &&
      `select '${USER}' || a.member_id::text
        || string_agg(a.group_id::text || case when a.direct then 'd' else 'i' end, '' order by a.group_id)${none}
      from (select a.member_id, a.group_id, bool_or(a.direct) as direct from above a group by a.member_id, a.group_id) a
      group by a.member_id`,
    `select r.packed${apart.map((name) => `, ${name === 'members' ? membersColumn(places) : `r.${name}`}`).join('')}
      from listed r`,
  ]
  return `with recursive ${tables},
    listed as (select ${columns.join(', ')} from ${rows})${groups ? `, ${groupsAboveEach(tenant, users)}` : ''}
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
  const groups = new Map<string, string>()
  const groupsOfUsers = new Map<string, string>()
  const listed: FoundRow[] = []
  let total = 0
  for (const row of rows) {
    const packed = row[0] as Buffer
    const head = packed.toString('latin1', 0, LONGEST_HEAD)
    const letter = head[0]
    if (letter === TOTAL) total = Number(head.slice(1))
    else if (letter === MANAGER) managers.set(head.slice(1, ID_END), packed.toString('utf8', ID_END))
    else if (letter === GROUP) groups.set(head.slice(1, ID_END), packed.toString('utf8', ID_END))
    else if (letter === USER)
      groupsOfUsers.set(head.slice(1, ID_END), groupsIn(packed.toString('latin1', ID_END), groups))
    else {
      const documentAt = head.indexOf('{')
      const managerAt = head.lastIndexOf(' ', documentAt) + 1
      const manager = documentAt - managerAt === ID_LENGTH ? managers.get(head.slice(managerAt, documentAt)) : undefined
      const found: FoundRow = rowOf<JsonText>(
        head.slice(0, documentAt),
        packed.subarray(documentAt),
        manager ?? null,
        groupsOfUsers.get(head.slice(0, ID_LENGTH)) ?? null,
        (membersAt === -1 ? null : row[membersAt + 1]) ?? null,
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
/** An id, flags, four numbers of 20 digits and one more id: in ASCII, like what the documents begin with. */
const LONGEST_HEAD = 160

/** A user's `groups` as JSON: of each group the text has the id and a letter. */
function groupsIn(text: string, groups: ReadonlyMap<string, string>): string {
  const elements: string[] = []
  for (let at = 0; at < text.length; at += ID_LENGTH + 1) {
    const json = groups.get(text.slice(at, at + ID_LENGTH))
    if (json !== undefined) elements.push(json + GROUP_ENDS[text[at + ID_LENGTH] === 'd' ? 'direct' : 'indirect'])
  }
  return `[${elements.join(',')}]`
}
