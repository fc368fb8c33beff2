import { GROUP_SCHEMA } from '../../src/scim/urn.ts'
import { KINDS, marksOf, person, userNameOf } from '../population.ts'
import type { BenchTenant, SameRows, Side, World } from '../world.ts'
import { patchOf } from './groups.ts'
import { ours, usersWhere } from './users.ts'
import { type Call, type Case, expect, freshName, serial, type Turn, type Workload } from './workload.ts'

const CONNECTIONS = 8
/** Members that one PATCH adds. */
const BATCH = 100

/** What the client knows by the answers so far; ids are the service's. */
const known: Record<Side, { users: string[]; groups: string[] }> = {
  ours: { users: [], groups: [] },
  ceiling: { users: [], groups: [] },
  bare: { users: [], groups: [] },
}

/** Looks somebody up in one turn and, as there is nobody, makes them in the next: so does Entra ID. */
const lookUpThenCreate = (
  world: World,
  what: 'users' | 'groups',
  calls: (side: SameRows, tenant: BenchTenant, name: string, turn: Turn) => readonly [lookUp: Call, create: Call],
): Case => {
  const call = (side: SameRows) => (turn: Turn) => {
    const pair = { ...turn, turn: Math.floor(turn.turn / 2) }
    return calls(side, world.sync.tenants[side], freshName(side, pair, 'sync-'), pair)[turn.turn % 2] as Call
  }
  return {
    name: what,
    requests: 2 * world.sync[what],
    calls: { ours: call('ours'), ceiling: call('ceiling') },
    keep: (body, side, turn) => {
      if (turn.turn % 2 === 0) return
      const { id } = JSON.parse(body) as { id?: string }
      expect(id !== undefined, 'a resource with an id', body)
      known[side][what].push(id as string)
    },
  }
}

const users: Workload = {
  name: 'sync-users',
  title: 'First sync: look up and create each user',
  connections: CONNECTIONS,
  needs: [],
  cases: (world) => [
    lookUpThenCreate(world, 'users', (side, tenant, name, turn) => {
      const kind = serial(turn) % KINDS
      const userName = userNameOf(kind, name)
      const body = JSON.stringify({ ...person(kind - (kind % 4) + 1, { ...marksOf(tenant.id, 1), n: name }), userName })
      return side === 'ours'
        ? [
            { method: 'GET', path: usersWhere(world, tenant, `userName eq "${userName}"`) },
            { method: 'POST', path: ours(world, tenant, '/Users'), body },
          ]
        : [
            { method: 'GET', path: `/user-name/${tenant.id}/${encodeURIComponent(userName.toLowerCase())}` },
            { method: 'POST', path: `/create/${tenant.id}`, body },
          ]
    }),
  ],
}

const groups: Workload = {
  name: 'sync-groups',
  title: 'First sync: look up and create each group',
  connections: CONNECTIONS,
  needs: [],
  cases: (world) => [
    lookUpThenCreate(world, 'groups', (side, tenant, name) => {
      const body = JSON.stringify({ schemas: [GROUP_SCHEMA], displayName: name, externalId: name })
      const filter = encodeURIComponent(`displayName eq "${name}"`)
      return side === 'ours'
        ? [
            { method: 'GET', path: ours(world, tenant, `/Groups?excludedAttributes=members&filter=${filter}`) },
            { method: 'POST', path: ours(world, tenant, '/Groups'), body },
          ]
        : [
            { method: 'GET', path: `/display-name/${tenant.id}/${encodeURIComponent(name)}` },
            { method: 'POST', path: `/create-group/${tenant.id}`, body },
          ]
    }),
  ],
}

const memberships: Workload = {
  name: 'sync-members',
  title: `First sync: add members, ${BATCH} in a PATCH`,
  connections: CONNECTIONS,
  needs: [],
  cases: (world) => {
    const perGroup = Math.ceil(world.sync.memberships / world.sync.groups / BATCH)
    const call = (side: SameRows) => (turn: Turn) => {
      const tenant = world.sync.tenants[side]
      const { users: userIds, groups: groupIds } = known[side]
      const number = turn.connection + turn.connections * Math.floor(turn.turn / perGroup)
      const group = groupIds[number % groupIds.length]
      const first = (number * perGroup + (turn.turn % perGroup)) * BATCH
      const ids = Array.from({ length: BATCH }, (_, i) => userIds[(first + i) % userIds.length] as string)
      if (side === 'ceiling') {
        return {
          method: 'PATCH',
          path: `/members/${tenant.id}/${group}`,
          body: JSON.stringify({ add: ids, remove: [] }),
        } as const
      }
      const body = patchOf({ op: 'Add', path: 'members', value: ids.map((value) => ({ value })) })
      return { method: 'PATCH', path: ours(world, tenant, `/Groups/${group}`), body } as const
    }
    return [
      {
        name: 'members',
        requests: Math.ceil(world.sync.memberships / BATCH),
        calls: { ours: call('ours'), ceiling: call('ceiling') },
      },
    ]
  },
}

/** A first sync as Entra ID does it, in its three phases; each needs the one before. */
export const syncWorkloads: readonly Workload[] = [users, groups, memberships]
