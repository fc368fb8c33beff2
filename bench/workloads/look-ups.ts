import { ENTERPRISE_USER_SCHEMA } from '../../src/scim/urn.ts'
import {
  departmentOf,
  externalIdOf,
  homeEmailOf,
  PER_DEPARTMENT,
  PER_TITLE,
  titleOf,
  userNameAt,
} from '../population.ts'
import { CONNECTIONS, forSizes, usersWhere } from './users.ts'
import { expect, serial, spread, type Turn, type Workload } from './workload.ts'

interface LookUp {
  readonly name: string
  readonly title: string
  readonly filter: (index: number) => string
  /** Path of the ceiling's look-up behind the tenant. */
  readonly ceiling: (index: number) => readonly [kind: string, value: string]
  readonly found: number
}

const search = (document: object): readonly [string, string] => ['search', JSON.stringify(document)]
const titleAt = (index: number) => titleOf(String(Math.floor(index / PER_TITLE)))
const departmentAt = (index: number) => departmentOf(String(Math.floor(index / PER_DEPARTMENT)))

const lookUps: readonly LookUp[] = [
  {
    name: 'userName',
    title: 'userName eq',
    filter: (i) => `userName eq "${userNameAt(i)}"`,
    ceiling: (i) => ['user-name', userNameAt(i).toLowerCase()],
    found: 1,
  },
  {
    name: 'externalId',
    title: 'externalId eq',
    filter: (i) => `externalId eq "${externalIdOf(String(i))}"`,
    ceiling: (i) => ['external-id', externalIdOf(String(i))],
    found: 1,
  },
  {
    name: 'work-email',
    title: 'emails[type eq "work" and value eq …]',
    filter: (i) => `emails[type eq "work" and value eq "${userNameAt(i)}"]`,
    ceiling: (i) => ['email', userNameAt(i).toLowerCase()],
    found: 1,
  },
  {
    name: 'email',
    title: 'emails.value eq',
    filter: (i) => `emails.value eq "${homeEmailOf(String(i))}"`,
    ceiling: (i) => ['email', homeEmailOf(String(i))],
    found: 1,
  },
  {
    name: 'title',
    title: `title eq (${PER_TITLE} found)`,
    filter: (i) => `title eq "${titleAt(i)}"`,
    ceiling: (i) => search({ title: titleAt(i).toLowerCase() }),
    found: PER_TITLE,
  },
  {
    name: 'department',
    title: `department eq (${PER_DEPARTMENT} found)`,
    filter: (i) => `${ENTERPRISE_USER_SCHEMA}:department eq "${departmentAt(i)}"`,
    ceiling: (i) => search({ [ENTERPRISE_USER_SCHEMA]: { department: departmentAt(i).toLowerCase() } }),
    found: PER_DEPARTMENT,
  },
]

const lookUp = ({ name, title, filter, ceiling, found }: LookUp): Workload => ({
  name: `look-up-${name}`,
  title: `Look up by ${title}`,
  connections: CONNECTIONS,
  cases: (world) =>
    forSizes(world, (tenant) => {
      const index = (turn: Turn) => spread(serial(turn), tenant.users)
      return {
        calls: {
          ours: (turn) => ({ method: 'GET', path: usersWhere(world, tenant, filter(index(turn))) }),
          ceiling: (turn) => {
            const [kind, value] = ceiling(index(turn))
            return { method: 'GET', path: `/${kind}/${tenant.id}/${encodeURIComponent(value)}` }
          },
        },
        check: (body, _side, turn) => {
          const answer = JSON.parse(body) as { Resources: { externalId: string }[] }
          const resources = answer.Resources
          const there = resources.some((user) => user.externalId === externalIdOf(String(index(turn))))
          expect(resources.length === found && there, `${found} found, person ${index(turn)} among them`, body)
        },
      }
    }),
})

/** Look-ups of users by what identity providers match them by, and by other attributes. */
export const lookUpWorkloads: readonly Workload[] = lookUps.map(lookUp)
