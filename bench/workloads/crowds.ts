import { idOf } from '../population.ts'
import { type BenchTenant, CROWD_TEAM, CROWD_TEAMS, type Crowd, GROUP_INDEX, type Side, type World } from '../world.ts'
import { patchOf } from './groups.ts'
import { newPerson, ours } from './users.ts'
import { type Call, type Case, own, serial, shortNumber, type Turn, type Workload } from './workload.ts'

const CONNECTIONS = 8
/** Deletes on each side: a user can be deleted once. */
const DELETES = 400

/** The person that is to go in a turn, from the last one down; each side has its own. */
const leaver = (side: Side, turn: Turn, tenant: BenchTenant): string =>
  idOf(tenant.id, tenant.users - 1 - 2 * serial(turn) - (side === 'ours' ? 0 : 1))

const deletion = (world: World, tenant: BenchTenant, id: string): Call => ({
  ...{ method: 'DELETE', path: ours(world, tenant, `/Users/${id}`) },
})

/** Users who are in a group of the whole tenant, as is usual. */
const deletes: Workload = {
  name: 'delete',
  title: 'Delete a user, in a group of the whole tenant',
  connections: CONNECTIONS,
  needs: ['crowds'],
  cases: (world) =>
    world.crowds.map(({ users, deletes: tenant }) => ({
      name: shortNumber(users),
      requests: DELETES,
      calls: {
        ours: (turn) => deletion(world, tenant, leaver('ours', turn, tenant)),
        ceiling: (turn) => ({ method: 'DELETE', path: `/user/${tenant.id}/${leaver('ceiling', turn, tenant)}` }),
      },
    })),
}

/** Deletes of users. */
export const crowdWrites: readonly Workload[] = [deletes]

/** Two rules: the group of everybody gives a role, and so do half of the teams. */
export const CROWD_RULES = (users: number) => [
  { group: { displayName: `Group 0 of ${users}` }, role: 'employee' },
  { group: { pattern: 'Group 1*' }, role: 'team' },
]
/** Numbers of the teams that give a role, as the second rule says; the one that gives none. */
const GIVING = Array.from({ length: CROWD_TEAMS }, (_, i) => i + 1).filter((team) => `${team}`.startsWith('1'))
const GIVES_NOTHING = 2

/** Adds somebody to a team in one turn and takes them out in the next. */
const toTeam =
  (teamOf: (connection: number) => number) =>
  (world: World, tenant: BenchTenant, turn: Turn): Call => {
    const { index } = own({ ...turn, turn: Math.floor(turn.turn / 2) }, tenant.users / 2 - CROWD_TEAM)
    const members = [{ value: idOf(tenant.id, CROWD_TEAM + index) }]
    const group = idOf(tenant.id, GROUP_INDEX + teamOf(turn.connection))
    const body = patchOf({ op: turn.turn % 2 === 0 ? 'add' : 'remove', path: 'members', value: members })
    return { method: 'PATCH', path: ours(world, tenant, `/Groups/${group}`), body }
  }

/** Adds to a team that gives its members a role where there are rules. */
export const MEMBER_WITH_ROLE = 'rules-member'
/** The same, in as many teams as there are connections. */
export const MEMBERS_OF_MANY = 'rules-members-of-many'

const writes: readonly {
  readonly name: string
  readonly title: string
  readonly requests?: number
  readonly call: (world: World, tenant: BenchTenant, turn: Turn) => Call
}[] = [
  { name: MEMBER_WITH_ROLE, title: 'Add and remove one member, the group gives a role', call: toTeam(() => 1) },
  {
    name: 'rules-member-without-role',
    title: 'Add and remove one member, the group gives no role',
    call: toTeam(() => GIVES_NOTHING),
  },
  {
    name: MEMBERS_OF_MANY,
    title: `Add and remove one member, ${CONNECTIONS} groups at once, each gives a role`,
    call: toTeam((connection) => GIVING[connection % GIVING.length] as number),
  },
  {
    name: 'rules-create',
    title: 'Create a user',
    call: (world, tenant, turn) => ({
      ...{ method: 'POST', path: ours(world, tenant, '/Users'), body: newPerson('ours', turn, tenant) },
    }),
  },
  {
    name: 'rules-deactivate',
    title: 'Deactivate and activate by PATCH',
    call: (world, tenant, turn) => {
      const { index, pass } = own(turn, tenant.users / 2)
      const body = patchOf({ op: 'replace', path: 'active', value: pass % 2 === 1 })
      return { method: 'PATCH', path: ours(world, tenant, `/Users/${idOf(tenant.id, index)}`), body }
    },
  },
  {
    name: 'rules-delete',
    title: 'Delete a user',
    requests: DELETES,
    call: (world, tenant, turn) => deletion(world, tenant, leaver('ours', turn, tenant)),
  },
]

/** The tenants of a crowd that the same writes go to. */
export const RULED = ['plain', 'ruled'] as const satisfies readonly (keyof Crowd)[]

/** Names of the cases of a crowd without rules, and with them. */
export const ruledCase = (users: number, rules: (typeof RULED)[number]): string =>
  `${shortNumber(users)}${rules === 'ruled' ? ', rules' : ''}`

/** The same writes without role rules and with them; the gateway alone, since no ceiling knows of roles. */
export const ruleWorkloads: readonly Workload[] = writes.map(({ name, title, requests, call }) => ({
  ...{ name, title, connections: CONNECTIONS, needs: ['crowds'] },
  cases: (world) =>
    world.crowds.flatMap((crowd) =>
      RULED.map(
        (rules): Case => ({
          name: ruledCase(crowd.users, rules),
          ...(requests === undefined ? {} : { requests }),
          calls: { ours: (turn) => call(world, crowd[rules], turn) },
        }),
      ),
    ),
}))
