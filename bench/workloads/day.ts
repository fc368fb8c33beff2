import { idOf, userNameAt } from '../population.ts'
import { type BenchTenant, DAY_USERS, GROUP_INDEX, type Side, type World } from '../world.ts'
import { patchOf } from './groups.ts'
import { newPerson, ours, usersWhere } from './users.ts'
import { type Call, serial, spread, type Turn, type Workload } from './workload.ts'

/** Of `MIX` requests in a row, how many are of which kind; half of them look somebody up. */
const MIX = 20

/** One request of a day of small changes: the same kinds, in the same order, on both sides. */
function request(world: World, tenants: readonly BenchTenant[], side: Side, turn: Turn): Call {
  const tick = Math.floor(serial(turn) / MIX)
  const kind = serial(turn) % MIX
  const tenant = tenants[tick % tenants.length] as BenchTenant
  const pass = Math.floor(tick / tenants.length)
  const index = spread(tick, DAY_USERS)
  // Each side changes people of its own, who are in no group.
  const changed = idOf(tenant.id, DAY_USERS / 2 + (side === 'ours' ? 1 : 3) + 4 * (kind % 8))
  const group = idOf(tenant.id, GROUP_INDEX)
  const get = (ourPath: string, ceiling: string): Call => ({ method: 'GET', path: side === 'ours' ? ourPath : ceiling })
  if (kind < 10) {
    const value = userNameAt(index)
    const path = `/user-name/${tenant.id}/${encodeURIComponent(value.toLowerCase())}`
    return get(usersWhere(world, tenant, `userName eq "${value}"`), path)
  }
  if (kind < 14) {
    const id = idOf(tenant.id, index)
    return get(ours(world, tenant, `/Users/${id}`), `/read/${tenant.id}/${id}`)
  }
  if (kind < 15) return get(ours(world, tenant, '/Users?count=100'), `/offset/${tenant.id}/0`)
  if (kind < 17) {
    const active = pass % 2 === 1
    const body =
      side === 'ours' ? patchOf({ op: 'replace', path: 'active', value: active }) : JSON.stringify({ active })
    const path = side === 'ours' ? ours(world, tenant, `/Users/${changed}`) : `/active/${tenant.id}/${changed}`
    return { method: 'PATCH', path, body }
  }
  if (kind < 19) {
    const adds = pass % 2 === 0
    const body =
      side === 'ours'
        ? patchOf({ op: adds ? 'add' : 'remove', path: 'members', value: [{ value: changed }] })
        : JSON.stringify({ add: adds ? [changed] : [], remove: adds ? [] : [changed] })
    const path = side === 'ours' ? ours(world, tenant, `/Groups/${group}`) : `/members/${tenant.id}/${group}`
    return { method: 'PATCH', path, body }
  }
  const body = newPerson(side, turn, tenant)
  return { method: 'POST', path: side === 'ours' ? ours(world, tenant, '/Users') : `/create/${tenant.id}`, body }
}

/** A day of small changes over many tenants. */
export const day: Workload = {
  name: 'day',
  title: 'A day of small changes over many tenants',
  connections: 16,
  longer: 2,
  needs: ['day'],
  cases: (world) =>
    world.day.map((tenants) => {
      const call = (side: Side) => (turn: Turn) => request(world, tenants, side, turn)
      return { name: `${tenants.length} tenants`, calls: { ours: call('ours'), ceiling: call('ceiling') } }
    }),
}
