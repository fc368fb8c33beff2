import { expect } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import type { TenantId } from '../../src/place-ids.ts'
import {
  HISTORY_BEGINS,
  type HistoryCursor,
  type HistoryPage,
  historyAnswers,
  type Period,
} from '../../src/repositories/history/as-of.ts'
import { historyOf } from '../../src/repositories/history/histories.ts'
import { historyStep } from '../../src/repositories/history/step.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import type { TestTenant } from './gateway.ts'
import { addMembers, groupBody, idIn, patchBody, removeMember, userBody } from './instances.ts'

/** Numbers from 0 to 1 that are the same in each run. */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Brings a tenant's history to the end of its log. */
export async function writeHistory(db: Database, tenantId: TenantId): Promise<void> {
  while ((await eventLogOf(db, tenantId).number({ wait: true })) > 0);
  while ((await historyStep(db, tenantId, true)) === 'more');
  expect((await historyOf(db, tenantId))?.phase).toBe('following')
}

/** An identity provider that does anything: people join, change, leave and come back, and groups are made, filled, nested and deleted. */
export function anything(tenant: TestTenant, random: () => number) {
  const users: string[] = []
  const groups: string[] = []
  const names: string[] = []
  let count = 0
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)]
  const drop = (list: string[], one: string) => list.splice(list.indexOf(one), 1)
  const ok = async (answer: Promise<{ status: number; text: string }>) => {
    const { status, text } = await answer
    if (status >= 400 && status !== 404 && status !== 409) throw new Error(`${status}: ${text}`)
  }
  const join = async () => {
    const name = random() < 0.2 && names.length > 0 ? (names.pop() as string) : `user-${++count}`
    const answer = await tenant.scim('POST', '/Users', userBody(name, { active: random() < 0.9 }))
    if (answer.status === 201) users.push(idIn(answer))
  }
  const make = async () => {
    const members = users.filter(() => random() < 0.1)
    const team = random() < 0.5 ? 'Team' : 'Staff'
    groups.push(idIn(await tenant.scim('POST', '/Groups', groupBody(`${team} ${++count}`, members))))
  }
  return async (): Promise<void> => {
    const [user, group, what] = [pick(users), pick(groups), random()]
    if (user === undefined || what < 0.15) return join()
    if (group === undefined || what < 0.2) return make()
    if (what < 0.45)
      return ok(tenant.scim('PATCH', `/Groups/${group}`, addMembers(...users.filter(() => random() < 0.15))))
    if (what < 0.65) return ok(tenant.scim('PATCH', `/Groups/${group}`, removeMember(user)))
    if (what < 0.72) {
      const active = random() < 0.5
      return ok(tenant.scim('PATCH', `/Users/${user}`, patchBody({ op: 'replace', path: 'active', value: active })))
    }
    if (what < 0.78) {
      const name = `user-${++count}`
      return ok(tenant.scim('PATCH', `/Users/${user}`, patchBody({ op: 'replace', path: 'userName', value: name })))
    }
    if (what < 0.82) {
      const name = `${random() < 0.5 ? 'Team' : 'Staff'} ${++count}`
      return ok(
        tenant.scim('PATCH', `/Groups/${group}`, patchBody({ op: 'replace', path: 'displayName', value: name })),
      )
    }
    if (what < 0.88) {
      const below = pick(groups.filter((other) => other !== group))
      if (below !== undefined) await ok(tenant.scim('PATCH', `/Groups/${group}`, addMembers(below)))
      return
    }
    if (what < 0.91) {
      drop(groups, group)
      return ok(tenant.scim('DELETE', `/Groups/${group}`))
    }
    if (what < 0.96) {
      drop(users, user)
      const answer = await tenant.scim('GET', `/Users/${user}`)
      if (answer.status === 200) names.push(String((answer.body as { userName: string }).userName))
      return ok(tenant.scim('DELETE', `/Users/${user}`))
    }
    const members = users.filter(() => random() < 0.3)
    return ok(tenant.scim('PUT', `/Groups/${group}`, groupBody(`Team ${++count}`, members)))
  }
}

/** Who was there at a moment, and who had what: texts, sorted. */
export interface Picture {
  readonly states: readonly string[]
  readonly grants: readonly string[]
}

interface ReplayedEvent {
  readonly type: string
  readonly at: number
  readonly resource_id: string
  readonly changes: string
}

/** The events of a tenant in the order of its log. */
export const loggedEvents = (db: Database, tenantId: TenantId): Promise<ReplayedEvent[]> =>
  db.run<ReplayedEvent>(
    `select e.type, (extract(epoch from e.occurred_at) * 1000)::float8 as at, e.resource_id::text as resource_id, e.changes
     from event_positions p join events e on e.tenant_id = p.tenant_id and e.seq = p.seq
     where p.tenant_id = $1::uuid order by p.position`,
    [tenantId],
  )

/** What the log says of a moment, read from its beginning: knows nothing of how histories are written. */
export function replayed(events: readonly ReplayedEvent[], at: number): Picture {
  const there = new Map<string, { name: string; active: boolean | undefined }>()
  const has = new Set<string>()
  for (const event of events) {
    if (event.at > at) continue
    const { type, resource_id: id } = event
    const said = JSON.parse(event.changes)
    const changed = (path: string) => said.changed?.find((one: { path: string }) => one.path === path)?.after
    const before = there.get(id)
    if (type === 'user.created') there.set(id, { name: said.after.userName, active: said.after.active !== false })
    if (type === 'group.created') there.set(id, { name: said.after.displayName, active: undefined })
    if (type === 'user.updated' && before) there.set(id, { ...before, name: changed('userName') ?? before.name })
    if (type === 'group.updated' && before) there.set(id, { ...before, name: changed('displayName') ?? before.name })
    if (type === 'user.activated' && before) there.set(id, { ...before, active: true })
    if (type === 'user.deactivated' && before) there.set(id, { ...before, active: false })
    if (type === 'user.deleted' || type === 'group.deleted') there.delete(id)
    if (type === 'group.deleted') for (const one of has) if (one.startsWith(`${id} `)) has.delete(one)
    if (type === 'group.member_added') for (const member of said.members) has.add(`${id} ${member}`)
    if (type === 'group.member_removed') for (const member of said.members) has.delete(`${id} ${member}`)
    if (type === 'role.assigned') for (const user of said.users) has.add(`${said.role} ${user}`)
    if (type === 'role.unassigned') for (const user of said.users) has.delete(`${said.role} ${user}`)
  }
  const states = [...there].map(([id, { name, active }]) => `${id} ${name} ${active ?? '-'}`)
  return { states: states.sort(), grants: [...has].sort() }
}

/** All of a list that comes in pages. */
export async function allPages<Item>(page: (cursor: HistoryCursor) => Promise<HistoryPage<Item>>): Promise<Item[]> {
  const items: Item[] = []
  for (let cursor: HistoryCursor | undefined = HISTORY_BEGINS; cursor !== undefined; ) {
    const found: HistoryPage<Item> = await page(cursor)
    items.push(...found.items)
    cursor = found.next
  }
  return items
}

/** What the history says of a moment. */
export async function pictureAt(db: Database, tenantId: TenantId, at: number, limit = 200): Promise<Picture> {
  const answers = historyAnswers(db, tenantId)
  const moment: Period = { from: at, until: at }
  const states = await allPages((cursor) => answers.states(moment, ['User', 'Agent', 'Group'], cursor, limit))
  const grants = await allPages((cursor) => answers.allGrants(moment, cursor, limit))
  return {
    states: states.map(({ id, name, active }) => `${id} ${name} ${active ?? '-'}`).sort(),
    grants: grants
      .map(({ object, subject }) => `${object.kind === 'Role' ? object.name : object.id} ${subject.id}`)
      .sort(),
  }
}
