import { BULK_REQUEST, PATCH_OP } from '../../src/scim/urn.ts'
import { idOf, KINDS, MANAGER_EVERY, marksOf, person } from '../population.ts'
import type { BenchTenant, Side, World } from '../world.ts'
import {
  type Call,
  type Calls,
  type Case,
  ceilingPath,
  expect,
  freshName,
  onAllSides,
  own,
  serial,
  shortNumber,
  spread,
  type Turn,
  type Workload,
} from './workload.ts'

/** Connections for single requests. */
export const CONNECTIONS = 16

/** Address of `path` below the base URL of a tenant. */
export const ours = (world: World, tenant: BenchTenant, path: string): string =>
  `${world.basePath}/${tenant.key}${path}`

/** A query of the users of a tenant. */
export const usersWhere = (world: World, tenant: BenchTenant, filter: string): string =>
  ours(world, tenant, `/Users?filter=${encodeURIComponent(filter)}`)

/** A user that is new; every fourth one of the population has a manager. */
export const newPerson = (side: Side, turn: Turn, tenant: BenchTenant, label = ''): string => {
  const kind = serial(turn) % KINDS
  const { manager } = marksOf(tenant.id, serial(turn) % tenant.users || 1)
  return JSON.stringify(person(kind, { n: freshName(side, turn, label), title: 'new', department: 'new', manager }))
}

/** A case for each size of tenant, which differ in nothing else. */
export const forSizes = (world: World, of: (tenant: BenchTenant) => Omit<Case, 'name'>): readonly Case[] =>
  world.sizes.map((tenant) => ({ name: shortNumber(tenant.users), ...of(tenant) }))

/** The id of the person that a connection is to change in its turn, and the pass; neither side meets the other's. */
function target(side: Side, turn: Turn, tenant: BenchTenant, managed: boolean): { id: string; pass: number } {
  const { index, pass } = own(turn, Math.floor(tenant.users / (2 * MANAGER_EVERY)))
  const at = 2 * MANAGER_EVERY * index + (managed ? 0 : 1) + (side === 'ours' ? 0 : MANAGER_EVERY)
  return { id: idOf(tenant.id, at), pass }
}

/** Replaces one attribute of users, in the gateway by a PATCH message; in every pass with another value. */
const replaceCalls = (
  { world, tenant, managed }: { world: World; tenant: BenchTenant; managed: boolean },
  path: 'active' | 'preferredLanguage',
  value: (pass: number) => boolean | string,
): Calls =>
  onAllSides((side) => (turn) => {
    const { id, pass } = target(side, turn, tenant, managed)
    const operation = { op: 'replace', path, value: value(pass) }
    return side === 'ours'
      ? {
          ...{ method: 'PATCH', path: ours(world, tenant, `/Users/${id}`) },
          body: JSON.stringify({ schemas: [PATCH_OP], Operations: [operation] }),
        }
      : {
          ...{ method: 'PATCH', path: ceilingPath(side, `/${path}/${tenant.id}/${id}`) },
          body: JSON.stringify({ [path]: operation.value }),
        }
  })

const activeCalls = (world: World, tenant: BenchTenant, managed: boolean): Calls =>
  replaceCalls({ world, tenant, managed }, 'active', (pass) => pass % 2 === 1)

const retrieve: Workload = {
  name: 'read',
  title: 'Read by id',
  connections: CONNECTIONS,
  needs: ['sizes', 'groups'],
  cases: (world) => {
    const of = (name: string, tenant: BenchTenant, users: number): Case => {
      const id = (turn: Turn) => idOf(tenant.id, spread(serial(turn), users))
      return {
        name,
        calls: {
          ours: (turn) => ({ method: 'GET', path: ours(world, tenant, `/Users/${id(turn)}`) }),
          ceiling: (turn) => ({ method: 'GET', path: `/read/${tenant.id}/${id(turn)}` }),
        },
        check: (body) => expect(body.includes('"externalId"'), 'a user', body),
      }
    }
    const { tenant, all } = world.groups
    return [
      ...world.sizes.map((size) => of(shortNumber(size.users), size, size.users)),
      of(`in ${all.length} groups`, tenant, all[0]?.members ?? 1),
    ]
  },
}

const create: Workload = {
  name: 'create',
  title: 'Create a user',
  connections: CONNECTIONS,
  cases: (world) =>
    forSizes(world, (tenant) => ({
      calls: onAllSides((side) => (turn) => ({
        method: 'POST',
        path: side === 'ours' ? ours(world, tenant, '/Users') : ceilingPath(side, `/create/${tenant.id}`),
        body: newPerson(side, turn, tenant),
      })),
    })),
}

const deactivate: Workload = {
  name: 'deactivate',
  title: 'Deactivate and activate by PATCH',
  connections: CONNECTIONS,
  cases: (world) => [
    ...forSizes(world, (tenant) => ({ calls: activeCalls(world, tenant, false) })),
    ...world.sizes.slice(-1).map((tenant) => ({
      name: `${shortNumber(tenant.users)}, with a manager`,
      calls: activeCalls(world, tenant, true),
    })),
  ],
}

const patch: Workload = {
  name: 'patch',
  title: 'Change an attribute by PATCH',
  connections: CONNECTIONS,
  cases: (world) =>
    forSizes(world, (tenant) => ({
      calls: replaceCalls({ world, tenant, managed: false }, 'preferredLanguage', (pass) => `en-x-pass${pass}`),
    })),
}

const replace: Workload = {
  name: 'put',
  title: 'Replace a user (PUT)',
  connections: CONNECTIONS,
  cases: (world) =>
    forSizes(world, (tenant) => {
      const body = (side: Side, turn: Turn) => {
        const { index, pass } = own(turn, Math.floor(tenant.users / (2 * MANAGER_EVERY)))
        const at = 2 * MANAGER_EVERY * index + 2 + (side === 'ours' ? 0 : MANAGER_EVERY)
        const attributes = { ...person(at % KINDS, marksOf(tenant.id, at)), nickName: `pass ${pass}` }
        return { id: idOf(tenant.id, at), text: JSON.stringify(attributes) }
      }
      const call =
        (side: Side) =>
        (turn: Turn): Call => {
          const { id, text } = body(side, turn)
          const path =
            side === 'ours' ? ours(world, tenant, `/Users/${id}`) : ceilingPath(side, `/replace/${tenant.id}/${id}`)
          return { method: 'PUT', path, body: text }
        }
      return { calls: onAllSides(call) }
    }),
}

/** Users in one bulk. */
export const BULK = 1_000

const bulk: Workload = {
  name: 'bulk',
  title: `Bulk of ${BULK} users`,
  connections: 1,
  longer: 4,
  cases: (world) =>
    world.sizes.slice(-1).map((tenant) => {
      const users = (side: Side, turn: Turn) =>
        Array.from({ length: BULK }, (_, i) =>
          JSON.parse(newPerson(side, { ...turn, turn: turn.turn * BULK + i }, tenant, 'bulk-')),
        )
      return {
        name: shortNumber(tenant.users),
        calls: onAllSides((side) => (turn) => {
          if (side !== 'ours') {
            const path = ceilingPath(side, `/bulk/${tenant.id}`)
            return { method: 'POST', path, body: JSON.stringify(users(side, turn)) }
          }
          const operation = (data: unknown, i: number) => ({ method: 'POST', path: '/Users', bulkId: `b${i}`, data })
          const body = { schemas: [BULK_REQUEST], Operations: users(side, turn).map(operation) }
          return { method: 'POST', path: ours(world, tenant, '/Bulk'), body: JSON.stringify(body) }
        }),
        check: (body, side) => {
          if (side !== 'ours') return
          const { Operations } = JSON.parse(body) as { Operations: { status: string }[] }
          expect(Operations.length === BULK && Operations.every((o) => o.status === '201'), `${BULK} times 201`, body)
        },
      }
    }),
}

/** Reads of single users. */
export const userReads: readonly Workload[] = [retrieve]

/** Changes of single users, and of many at once. */
export const userWrites: readonly Workload[] = [deactivate, patch, replace, create, bulk]
