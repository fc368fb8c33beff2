import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Database } from '../../db/database.ts'
import type { EventType } from '../../events/types.ts'
import type { TenantId } from '../../place-ids.ts'
import { appendEvents } from '../sql/append-events.ts'
import { Parameters } from '../sql/parameters.ts'
import type { Binding } from './role-bindings.ts'

/** The users who have a role: their ids, by the id of the role. */
export type Holders = ReadonlyMap<string, ReadonlySet<string>>

/** Some users, and which of some roles they have. */
export interface Held {
  readonly users: readonly string[]
  readonly holders: Holders
}

/** These users, or all users among the ids `below` and in the groups among them, however deep. */
export type WhichUsers = { readonly users: readonly string[] } | { readonly below: readonly string[] }

/**
 * Which of these users have which of `roles`, directly, through groups in groups, or by values that the identity provider wrote.
 * Cycles end by themselves, since `union` adds no row twice. `offset 0` makes each step a look into the index. The roles are joined
 * behind it: as an array, hundreds of them would be read from their text, and looked for in the index, for each user and group.
 *
 * @param without a binding that does not count
 */
export async function heldBy(
  db: Database,
  tenantId: TenantId,
  which: WhichUsers,
  roles: Iterable<string>,
  without?: Binding,
): Promise<Held> {
  const parameters = new Parameters()
  const tenant = parameters.bind(tenantId, 'uuid')
  const ids = 'users' in which ? which.users : which.below
  const given = `select unnest(${parameters.array(ids, 'uuid')}) as id`
  const wanted = parameters.array([...roles], 'uuid')
  const others = without === undefined ? '' : `and ${otherThan(without, parameters)}`
  const rows = await db.asTenant(tenantId).run<{ id: string; roles: string | null }>(
    `with recursive wanted as materialized (select unnest(${wanted}) as id),
     ${'users' in which ? `people as materialized (${given}),` : usersBelow(given, tenant)}
     up(user_id, id) as (
       select p.id, p.id from people p
       union
       select up.user_id, above.group_id from up cross join lateral (
         select m.group_id from memberships m where m.tenant_id = ${tenant} and m.member_id = up.id offset 0
       ) above
     )
     select p.id::text as id, null as roles from people p
     union all
     select up.user_id::text, string_agg(b.role_id::text, ' ') from up cross join lateral (
       select b.role_id from role_bindings b
       where b.tenant_id = ${tenant} and b.group_id = up.id ${others} offset 0
     ) b join wanted on wanted.id = b.role_id group by up.user_id
     union all
     select p.id::text, string_agg(w.role_id::text, ' ') from people p cross join lateral (
       select w.role_id from written_roles w
       where w.tenant_id = ${tenant} and w.user_id = p.id offset 0
     ) w join wanted on wanted.id = w.role_id group by p.id`,
    parameters.values,
    // Planned each time: a plan from when the tables were nearly empty may read whole tables for each of many users.
    { name: 'roles-holders', prepare: false },
  )
  const users: string[] = []
  const holders = new Map<string, Set<string>>()
  for (const [i, row] of rows.entries()) {
    if (i % ROWS_IN_A_GO === ROWS_IN_A_GO - 1) await nextTurn()
    if (row.roles === null) users.push(row.id)
    else for (const role of row.roles.split(' ')) holders.set(role, (holders.get(role) ?? new Set()).add(row.id))
  }
  return { users, holders }
}

/** Rows that are looked at before requests have the thread again: it takes some milliseconds. */
const ROWS_IN_A_GO = 5_000

const otherThan = ({ groupId, roleId, rule }: Binding, parameters: Parameters): string =>
  `(b.group_id, b.role_id, b.rule) is distinct from (${parameters.bind(groupId, 'uuid')}, ${parameters.bind(roleId, 'uuid')}, ${parameters.bind(rule, 'text')})`

const usersBelow = (given: string, tenant: string): string => `down(id) as (
       ${given}
       union
       select below.member_id from down cross join lateral (
         select m.member_id from memberships m where m.tenant_id = ${tenant} and m.group_id = down.id offset 0
       ) below
     ),
     people as materialized (
       select d.id from down d cross join lateral (
         select r.resource_type from resources r where r.tenant_id = ${tenant} and r.id = d.id offset 0
       ) r where r.resource_type = 'User'
     ),`

/** A role that a change gave to users, or took from them. */
export interface RoleMoves {
  readonly role: string
  readonly type: Extract<EventType, `role.${string}`>
  readonly users: readonly string[]
}

/** The most users that one event names; for members it is the same. */
const USERS_PER_EVENT = 1_000

/** The difference between two states of the same users, in batches of which each becomes one event. */
export function movesBetween(before: Holders, after: Holders): RoleMoves[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((role) => {
    const [had, has] = [before.get(role) ?? NO_USERS, after.get(role) ?? NO_USERS]
    const lost = [...had].filter((user) => !has.has(user))
    const gained = [...has].filter((user) => !had.has(user))
    return [...batches(role, 'role.unassigned', lost), ...batches(role, 'role.assigned', gained)]
  })
}

const NO_USERS: ReadonlySet<string> = new Set()

function batches(role: string, type: RoleMoves['type'], users: string[]): RoleMoves[] {
  users.sort()
  const starts = Array.from({ length: Math.ceil(users.length / USERS_PER_EVENT) }, (_, i) => i * USERS_PER_EVENT)
  return starts.map((start) => ({ role, type, users: users.slice(start, start + USERS_PER_EVENT) }))
}

/** What the events of a change say of the request. */
export interface RoleScope {
  readonly tenantId: TenantId
  readonly requestId: string
  readonly actor: string
}

/** Appends the events of these moves, and gives each role a new version. */
export async function logMoves(tx: Database, scope: RoleScope, moves: readonly RoleMoves[]): Promise<void> {
  if (moves.length === 0) return
  const parameters = new Parameters()
  const tenant = parameters.bind(scope.tenantId, 'uuid')
  const [request, actor] = [parameters.bind(scope.requestId, 'text'), parameters.bind(scope.actor, 'text')]
  await tx.asTenant(scope.tenantId).run(
    `with input as materialized (
       select i.*, row_number() over () as ord
       from jsonb_to_recordset(${parameters.json(moves)}) as i(role uuid, type text, users jsonb)
     ),
     counted as (
       update roles r set version = r.version + 1
       where r.tenant_id = ${tenant} and r.id = any(array(select distinct role from input))
       returning r.id, r.key, r.version
     ),
     ${appendEvents({
       tenant,
       type: { sql: 'i.type' },
       resourceType: `'Role'`,
       resourceId: 'c.id',
       version: 'c.version',
       requestId: request,
       actor,
       changes: `json_build_object('role', c.key, 'users', i.users)::text`,
       from: 'input i join counted c on c.id = i.role order by i.ord',
     })}
     select 1`,
    parameters.values,
  )
}
