import { PATCH_OP } from '../../src/scim/urn.ts'
import { idOf } from '../population.ts'
import type { BenchGroup, Side, World } from '../world.ts'
import { SPARE } from '../world.ts'
import { ours } from './users.ts'
import {
  type Call,
  type Case,
  ceilingPath,
  expect,
  onAllSides,
  own,
  shortNumber,
  type Turn,
  type Workload,
} from './workload.ts'

/** A PATCH message with one operation. */
export const patchOf = (operation: object): string => JSON.stringify({ schemas: [PATCH_OP], Operations: [operation] })

/** Adds people to a group, or takes them out again, on either side. */
export function memberCall(
  side: Side,
  world: World,
  group: BenchGroup,
  change: { readonly kind: 'add' | 'remove' | 'remove-by-path'; readonly ids: readonly string[] },
): Call {
  const { tenant } = world.groups
  const { kind, ids } = change
  if (side !== 'ours') {
    const body = { add: kind === 'add' ? ids : [], remove: kind === 'add' ? [] : ids }
    const path = ceilingPath(side, `/members/${tenant.id}/${group.id}`)
    return { method: 'PATCH', path, body: JSON.stringify(body) }
  }
  const value = ids.map((id) => ({ value: id }))
  const operation =
    kind === 'remove-by-path'
      ? { op: 'remove', path: `members[value eq "${ids[0]}"]` }
      : { op: kind, path: 'members', value }
  return { method: 'PATCH', path: ours(world, tenant, `/Groups/${group.id}`), body: patchOf(operation) }
}

const half = SPARE / 2
const firstOf = (world: World, side: Side) => world.groups.firstSpare + (side === 'ours' ? 0 : half)

const forGroups = (world: World, of: (group: BenchGroup) => Omit<Case, 'name'>): readonly Case[] =>
  world.groups.all.map((group) => ({ name: shortNumber(group.members), ...of(group) }))

/** Adds somebody in one turn and takes them out in the next. */
const oneMember = (name: string, title: string, remove: 'remove' | 'remove-by-path'): Workload => ({
  name,
  title,
  connections: 8,
  needs: ['groups'],
  cases: (world) =>
    forGroups(world, (group) => {
      const call = (side: Side) => (turn: Turn) => {
        const { index } = own({ ...turn, turn: Math.floor(turn.turn / 2) }, half)
        const ids = [idOf(world.groups.tenant.id, firstOf(world, side) + index)]
        return memberCall(side, world, group, { kind: turn.turn % 2 === 0 ? 'add' : remove, ids })
      }
      return { calls: onAllSides(call) }
    }),
})

const MANY = 1_000

const manyMembers: Workload = {
  name: 'member-1000',
  title: `Add and remove ${MANY} members in one PATCH`,
  connections: 1,
  longer: 2,
  needs: ['groups'],
  cases: (world) =>
    forGroups(world, (group) => {
      const call = (side: Side) => (turn: Turn) => {
        const ids = Array.from({ length: MANY }, (_, i) => idOf(world.groups.tenant.id, firstOf(world, side) + i))
        return memberCall(side, world, group, { kind: turn.turn % 2 === 0 ? 'add' : 'remove', ids })
      }
      return { calls: { ours: call('ours'), ceiling: call('ceiling') } }
    }),
}

/** Sends the whole list of members, with some exchanged for others in every turn. */
const replaceMembers: Workload = {
  name: 'member-replace',
  title: 'Replace the whole list of members',
  connections: 1,
  longer: 2,
  needs: ['groups'],
  cases: (world) => {
    const { tenant, all } = world.groups
    const group = all.findLast(({ members }) => members <= 10_000) ?? all[0]
    if (group === undefined) return []
    return [1, MANY].map((exchanged) => {
      const ids = (side: Side, { turn }: Turn) => {
        const from = firstOf(world, side) + (turn % 2) * MANY
        const stay = Array.from({ length: group.members - exchanged }, (_, i) => idOf(tenant.id, i))
        return [...stay, ...Array.from({ length: exchanged }, (_, i) => idOf(tenant.id, from + i))]
      }
      return {
        name: `${shortNumber(group.members)}, ${exchanged} exchanged`,
        calls: {
          ours: (turn) => ({
            method: 'PATCH',
            path: ours(world, tenant, `/Groups/${group.id}`),
            body: patchOf({ op: 'replace', path: 'members', value: ids('ours', turn).map((value) => ({ value })) }),
          }),
          ceiling: (turn) => ({
            method: 'PUT',
            path: `/members/${tenant.id}/${group.id}`,
            body: JSON.stringify({ members: ids('ceiling', turn) }),
          }),
        },
      }
    })
  },
}

/** Reads of one group. */
export const groupCase = (world: World, group: BenchGroup, members: boolean): Omit<Case, 'name'> => {
  const { tenant } = world.groups
  return {
    calls: {
      ours: () => ({
        method: 'GET',
        path: ours(world, tenant, `/Groups/${group.id}${members ? '' : '?excludedAttributes=members'}`),
      }),
      ceiling: () => ({ method: 'GET', path: `/${members ? 'group' : 'read'}/${tenant.id}/${group.id}` }),
    },
    check: (body, side) => {
      const resource = JSON.parse(body) as { members?: unknown[]; displayName: string }
      const there = side === 'ceiling' && !members ? 0 : (resource.members?.length ?? 0)
      const fits = members ? Math.abs(there - group.members) <= MANY : there === 0
      expect(fits && resource.displayName !== undefined, `a group of ${group.members} members`, body)
    },
  }
}

const withMembers: Workload = {
  name: 'group',
  title: 'Read a group with its members',
  connections: 1,
  longer: 2,
  needs: ['groups'],
  cases: (world) => forGroups(world, (group) => groupCase(world, group, true)),
}

const withoutMembers: Workload = {
  name: 'group-without-members',
  title: 'Read a group without its members',
  connections: 16,
  needs: ['groups'],
  cases: (world) => forGroups(world, (group) => groupCase(world, group, false)),
}

/** Reads of groups. */
export const groupReads: readonly Workload[] = [withMembers, withoutMembers]

/** Changes of members. */
export const groupWrites: readonly Workload[] = [
  oneMember('member', 'Add and remove one member', 'remove'),
  oneMember('member-by-path', 'Add one member, remove by members[value eq …]', 'remove-by-path'),
  manyMembers,
  replaceMembers,
]
