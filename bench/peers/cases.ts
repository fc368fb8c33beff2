import { BULK_REQUEST, GROUP_SCHEMA, PATCH_OP } from '../../src/scim/urn.ts'
import { externalIdOf, KINDS, person } from '../population.ts'
import { type Call, own, type Place, serial, shortNumber, spread } from '../workloads/workload.ts'
import { PAGE } from '../world.ts'

/** What one server holds after it was filled through its own interface. */
export interface Directory {
  /** Path in front of `/Users`. */
  readonly base: string
  /** Ids of the users `peerUser(0)`, `peerUser(1)` and so on. */
  readonly users: readonly string[]
  /** Groups by the number of members that were asked for. */
  readonly groups: ReadonlyMap<number, string>
}

/** One thing to ask of every server, in the same words. */
export interface PeerCase {
  readonly workload: string
  readonly title: string
  readonly name: string
  readonly connections: number
  /** Needs the group of so many members. */
  readonly group?: number
  readonly call: (directory: Directory, turn: Place) => Call
  /** Throws, in words for the report, where an answer does not hold what was asked for. */
  readonly check?: (body: string, directory: Directory, turn: Place) => void
}

/** The user `index`, without a manager, as one server after the other gets it. */
export const peerUser = (index: number, label = '') => {
  const kind = index % KINDS
  const n = `${label}${index}`
  return person(kind - (kind % 4) + 1, { n, title: 'engineer', department: 'research', manager: '' })
}

/** A PATCH message with one operation. */
const patch = (operation: object) => JSON.stringify({ schemas: [PATCH_OP], Operations: [operation] })

export const newGroup = (members: number): string =>
  JSON.stringify({ schemas: [GROUP_SCHEMA], displayName: `Group of ${members}` })

export const addMembers = (ids: readonly string[]): string =>
  patch({ op: 'add', path: 'members', value: ids.map((value) => ({ value })) })

const get = (path: string): Call => ({ method: 'GET', path })
const where = (base: string, filter: string) => get(`${base}/Users?filter=${encodeURIComponent(filter)}`)
const idAt = ({ users }: Directory, index: number) => users[index] as string
const anyone = ({ users }: Directory, turn: Place) => spread(serial(turn), users.length)

type Check = NonNullable<PeerCase['check']>

interface Listed {
  readonly Resources?: readonly { readonly id: string }[]
  readonly totalResults?: number
}
const listed = (body: string) => JSON.parse(body) as Listed
const found = (body: string) => listed(body).Resources ?? []

/** @throws what it did in place of what was asked for */
function must(fits: boolean, instead: string): void {
  if (!fits) throw new Error(instead)
}

/** Holds that one user was found, and the right one. */
const finds =
  (index: (directory: Directory, turn: Place) => number): Check =>
  (body, directory, turn) => {
    const resources = found(body)
    must(resources.length === 1, `finds ${resources.length}`)
    must(resources[0]?.id === idAt(directory, index(directory, turn)), 'finds somebody else')
  }
const mentions =
  (text: string, instead: string): Check =>
  (body) =>
    must(body.includes(text), instead)
const membersIn = (body: string) => (JSON.parse(body) as { members?: unknown[] }).members?.length ?? 0

const single = (
  workload: string,
  title: string,
  { connections = 16, ...rest }: Pick<PeerCase, 'call' | 'check'> & { connections?: number },
): PeerCase => ({ workload, title, name: 'users', connections, ...rest })

/** Of `groups` the members of each, smallest first. */
export function peerCases(groups: readonly number[]): readonly PeerCase[] {
  return [
    single('read', 'Read by id', {
      call: (directory, turn) => get(`${directory.base}/Users/${idAt(directory, anyone(directory, turn))}`),
      check: mentions('"userName"', 'shows no user'),
    }),
    single('look-up-userName', 'Look up by userName', {
      call: (directory, turn) =>
        where(directory.base, `userName eq "${peerUser(anyone(directory, turn)).userName as string}"`),
      check: finds(anyone),
    }),
    single('look-up-externalId', 'Look up by externalId', {
      call: (directory, turn) =>
        where(directory.base, `externalId eq "${externalIdOf(String(anyone(directory, turn)))}"`),
      check: finds(anyone),
    }),
    single('look-up-work-email', 'Look up by emails[type eq "work" and value eq …]', {
      call: (directory, turn) => {
        const value = peerUser(anyone(directory, turn)).userName as string
        return where(directory.base, `emails[type eq "work" and value eq "${value}"]`)
      },
      check: finds(anyone),
    }),
    single('page-by-index', `List a page of ${PAGE}`, {
      connections: 4,
      call: ({ base }) => get(`${base}/Users?startIndex=1&count=${PAGE}`),
      check: (body) => must(found(body).length === PAGE, `shows ${found(body).length} users`),
    }),
    ...groups.map(
      (members): PeerCase => ({
        ...groupRead('group', 'Read a group with its members', members, ''),
        check: (body) => must(membersIn(body) >= members - 1, `shows ${membersIn(body)} members`),
      }),
    ),
    ...groups.map((members) =>
      groupRead('group-without-members', 'Read a group without its members', members, '?excludedAttributes=members'),
    ),
    ...groups.map(
      (members): PeerCase => ({
        ...{ workload: 'member', title: 'Add and remove one member', name: shortNumber(members) },
        ...{ connections: 1, group: members },
        call: (directory, { turn }) => {
          const id = idAt(directory, members + (Math.floor(turn / 2) % SPARE))
          const body = turn % 2 === 0 ? addMembers([id]) : patch({ op: 'remove', path: `members[value eq "${id}"]` })
          return { method: 'PATCH', path: `${directory.base}/Groups/${directory.groups.get(members)}`, body }
        },
      }),
    ),
    single('deactivate', 'Deactivate and activate by PATCH', {
      call: (directory, turn) => {
        const { index, pass } = own(turn, directory.users.length)
        const body = patch({ op: 'replace', path: 'active', value: pass % 2 === 1 })
        return { method: 'PATCH', path: `${directory.base}/Users/${idAt(directory, index)}`, body }
      },
    }),
    single('create', 'Create a user', {
      call: ({ base }, turn) => {
        const body = JSON.stringify(peerUser(serial(turn), 'new-'))
        return { method: 'POST', path: `${base}/Users`, body }
      },
    }),
  ]
}

/** People beyond the members of the largest group, for those who add some. */
const SPARE = 100

/** How many users every server gets. */
export const peerUsers = (groups: readonly number[]): number => (groups.at(-1) ?? 0) + SPARE

const groupRead = (workload: string, title: string, members: number, query: string): PeerCase => ({
  ...{ workload, title, name: shortNumber(members), connections: 1, group: members },
  call: ({ base, groups }) => get(`${base}/Groups/${groups.get(members)}${query}`),
})

const once = (title: string, call: PeerCase['call'], check?: PeerCase['check']): PeerCase => ({
  ...{ workload: 'once', title, name: 'once', connections: 1, call },
  ...(check === undefined ? {} : { check }),
})

const FIFTH = 5
const fifth = () => FIFTH
const fifthUser = peerUser(FIFTH) as { readonly userName: string; readonly displayName: string }

/** The other workloads, and what clients rely on: asked once, to see who can do it at all. */
export const onceCases: readonly PeerCase[] = [
  once(
    'Look up by another attribute, displayName',
    ({ base }) => where(base, `displayName eq "${fifthUser.displayName}"`),
    finds(fifth),
  ),
  once(
    'Look up by userName in other letters',
    ({ base }) => where(base, `userName eq "${fifthUser.userName.toUpperCase()}"`),
    finds(fifth),
  ),
  once(
    'How many users there are (totalResults)',
    ({ base }) => get(`${base}/Users?startIndex=1&count=10`),
    (body, { users }) => must(listed(body).totalResults === users.length, `says ${listed(body).totalResults}`),
  ),
  once(
    'Pages by cursor (RFC 9865)',
    ({ base }) => get(`${base}/Users?cursor=&count=10`),
    mentions('"nextCursor"', 'gives no nextCursor'),
  ),
  once(
    'A version (ETag)',
    (directory) => get(`${directory.base}/Users/${idAt(directory, FIFTH)}`),
    mentions('"version"', 'gives no meta.version'),
  ),
  once(
    'Replace a user (PUT)',
    (directory) => {
      const body = JSON.stringify({ ...fifthUser, title: 'replaced' })
      return { method: 'PUT', path: `${directory.base}/Users/${idAt(directory, FIFTH)}`, body }
    },
    mentions('"replaced"', 'does not show what was sent'),
  ),
  once(
    'PATCH by value path',
    (directory) => {
      const body = patch({ op: 'replace', path: 'emails[type eq "home"].value', value: 'moved@home.example' })
      return { method: 'PATCH', path: `${directory.base}/Users/${idAt(directory, FIFTH)}`, body }
    },
    (body) => {
      const { emails } = JSON.parse(body) as { emails?: { value?: string }[] }
      must(emails?.some(({ value }) => value === 'moved@home.example') ?? false, 'the address stays as it was')
    },
  ),
  once(
    '1,000 members in one request',
    ({ base, users }) => {
      const members = users.slice(0, 1_000).map((value) => ({ value }))
      const body = JSON.stringify({ schemas: [GROUP_SCHEMA], displayName: 'At once', members })
      return { method: 'POST', path: `${base}/Groups`, body }
    },
    (body) => must(membersIn(body) >= 1_000, `shows ${membersIn(body)} members`),
  ),
  once(
    'Bulk',
    ({ base }) => {
      const operation = { method: 'POST', path: '/Users', bulkId: 'a', data: peerUser(0, 'bulk-') }
      return {
        method: 'POST',
        path: `${base}/Bulk`,
        body: JSON.stringify({ schemas: [BULK_REQUEST], Operations: [operation] }),
      }
    },
    mentions('"201"', 'has no operation with 201'),
  ),
]
