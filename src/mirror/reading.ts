import { setTimeout as pause } from 'node:timers/promises'
import { GatewayFailure, type Line } from './gateway.ts'
import { putGroups, putUsers } from './resource-writes.ts'
import { type GroupRow, groupRow, type MemberRow, type RoleRow, type UserRow, userRow } from './rows.ts'
import { addMembers, giveRoles, MARKED_TABLES, type Place, sweep } from './set-writes.ts'
import type { MirrorStore, TenantToRead } from './store.ts'

/** While a snapshot is read, it is looked as often for something else to do. */
const TICK_MS = 100
/** Resources, and ids of members and of users of roles, that one transaction writes. */
const [RESOURCES_AT_ONCE, IDS_AT_ONCE] = [1_000, 10_000]

/**
 * Reads the snapshots of tenants, and makes the mirror equal to them without emptying a table: rows that are right are left alone.
 * Resources come by their ids, so what the mirror has between two of them is gone. Members and roles are marked as they come, and
 * those without the mark are gone at the end. A tenant that was broken off is read anew; none that is done is.
 *
 * @param between is called all the while, between transactions, and may write what comes of other tenants
 * @throws {GatewayFailure} where the snapshot is not whole
 */
export async function readTenants(
  store: MirrorStore,
  tenants: readonly TenantToRead[],
  lines: AsyncIterable<Line>,
  between: () => Promise<void>,
): Promise<void> {
  let current: TenantReading | undefined
  let isWhole = false
  for await (const line of meanwhile(lines, between)) {
    if (line.kind === 'tenant') {
      await current?.finish()
      const tenant = tenants.find(({ id }) => id === line.tenant)
      if (tenant === undefined) throw new GatewayFailure(0, 'the gateway told of a tenant that was not asked for')
      current = new TenantReading(store, { ...line, ...tenant }, between)
    } else if (line.kind === 'end') {
      await current?.finish()
      isWhole = true
    } else await current?.take(line)
  }
  if (!isWhole) throw new GatewayFailure(0, 'the gateway broke off a snapshot')
}

/** The lines as they come; while the next one is waited for, `between` is called again and again. */
async function* meanwhile(lines: AsyncIterable<Line>, between: () => Promise<void>): AsyncGenerator<Line> {
  const iterator = lines[Symbol.asyncIterator]()
  const tick = () => pause(TICK_MS, 'tick' as const, { ref: false })
  try {
    for (let timer = tick(); ; ) {
      const coming = iterator.next()
      // If `between` fails first, this promise is left, and its own failure must not end the process.
      coming.catch(() => {})
      let next = await Promise.race([coming, timer])
      while (next === 'tick') {
        await between()
        timer = tick()
        next = await Promise.race([coming, timer])
      }
      if (next.done === true) return
      yield next.value
    }
  } finally {
    await iterator.return?.().catch(() => {})
  }
}

/** A tenant with its names, where the snapshot tells them. */
type NamedToRead = TenantToRead & { readonly key?: string; readonly name?: string }

/** The snapshot of one tenant, as it comes. */
class TenantReading {
  readonly #store: MirrorStore
  readonly #tenant: NamedToRead
  readonly #between: () => Promise<void>
  #users: UserRow[] = []
  #groups: GroupRow[] = []
  #members: MemberRow[] = []
  #roles: RoleRow[] = []
  #hasMapping = false
  /** Of the last resource that was written, and of the last that came. */
  #written: string | undefined
  #last: string | undefined

  constructor(store: MirrorStore, tenant: NamedToRead, between: () => Promise<void>) {
    this.#store = store
    this.#tenant = tenant
    this.#between = between
  }

  async take(line: Exclude<Line, { readonly kind: 'tenant' | 'end' }>): Promise<void> {
    const { id: tenant } = this.#tenant
    if (line.kind === 'resource') {
      const { resource, active, attributes, ...rest } = line
      const { type, id, version } = resource
      if (this.#last !== undefined && id <= this.#last)
        throw new GatewayFailure(0, 'the lines of a snapshot are not in their order')
      this.#last = id
      const state = { version, attributes, ...(active !== undefined && { active }) }
      if (type === 'User') {
        this.#users.push(userRow(tenant, id, state, rest))
        this.#hasMapping ||= rest.mapped !== undefined
      } else if (type === 'Group') this.#groups.push(groupRow(tenant, id, state))
    } else if (line.kind === 'members')
      for (const member of line.members) this.#members.push({ tenant_id: tenant, group_id: line.group, member })
    else if (line.kind === 'role')
      for (const user of line.users) this.#roles.push({ tenant_id: tenant, role: line.role, user_id: user })
    const [resources, ids] = [this.#users.length + this.#groups.length, this.#members.length + this.#roles.length]
    if (resources >= RESOURCES_AT_ONCE || ids >= IDS_AT_ONCE) await this.#write(false)
  }

  /** Writes the rest, and takes out what the snapshot did not have. */
  async finish(): Promise<void> {
    const { id, wanted, key = null, name = null } = this.#tenant
    await this.#write(true)
    for (const table of MARKED_TABLES) {
      let place: Place | undefined
      do {
        place = await this.#store.write((writing) => sweep(writing, table, id, wanted, place))
        await this.#between()
      } while (place !== undefined)
    }
    await this.#store.write(async ({ tx, s, changes }) => {
      // Any event may be the next one: those until now are in the snapshot, or come again.
      const [row] = await tx.query<{ key: string; name: string; changed: boolean }>(
        `with old as materialized (select t.key, t.name from ${s}.tenants t where t.id = $1::uuid)
         update ${s}.tenants t set reading = $2::bigint, has_mapping = $3::boolean, position = null,
           key = coalesce($4::text, t.key), name = coalesce($5::text, t.name)
         from old o where t.id = $1::uuid
         returning t.key, t.name, (t.key, t.name) is distinct from (o.key, o.name) as changed`,
        [id, wanted, this.#hasMapping, key, name],
      )
      if (row?.changed) changes.push({ kind: 'tenant.changed', tenant: id, key: row.key, name: row.name })
    })
  }

  async #write(isEnd: boolean): Promise<void> {
    const { id } = this.#tenant
    const [users, groups, members, roles] = [this.#users, this.#groups, this.#members, this.#roles]
    const idsOf = (rows: readonly { readonly id: string }[]) => rows.map((row) => row.id)
    if (isEnd || this.#last !== this.#written) {
      const range = { from: this.#written, to: isEnd ? undefined : this.#last }
      await this.#store.removeFrom(id, 'users', range, idsOf(users))
      await this.#store.removeFrom(id, 'groups', range, idsOf(groups))
    }
    await this.#store.write(async (writing) => {
      await putUsers(writing, users, 'snapshot')
      await putGroups(writing, groups, 'snapshot')
      await addMembers(writing, members)
      await giveRoles(writing, roles)
    })
    this.#written = this.#last
    ;[this.#users, this.#groups, this.#members, this.#roles] = [[], [], [], []]
    await this.#between()
  }
}
