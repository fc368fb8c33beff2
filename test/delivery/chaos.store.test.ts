import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'undici'
import { expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { ADMIN, type ChaosWorld, openChaos } from '../support/chaos.ts'
import { engineName } from '../support/engines.ts'
import { EVENTS_AND_POSITIONS } from '../support/events.ts'
import { jsonIn } from '../support/http-client.ts'
import { addMembers, groupBody, inconsistencies, patchBody, removeMember, userBody } from '../support/instances.ts'

/** The embedded engine, one process that writes one after the other, takes a quarter of an hour for CHAOS_WRITES=20000. */
const USUAL = { postgres: 20_000, pglite: 2_000 }
const WRITES = Number(process.env.CHAOS_WRITES ?? USUAL[engineName()])
const CLIENTS = 16
const KILLS = Math.max(3, Math.round(WRITES / 1_700))
/** People for whom a client uses the same group. */
const PER_GROUP = 20

/** What clients were told. */
interface Told {
  /** The event that each acknowledged write must have, by the request's id. */
  readonly acknowledged: Map<string, string>
  /** Requests that were answered, but changed nothing: they must have no events. */
  readonly unchanging: Set<string>
  /** Answers that no client should get. */
  readonly wrong: string[]
  /** Writes without an answer, or with one that says that it may or may not be made. */
  unanswered: number
}

/** One event as the log holds it. */
interface Logged {
  readonly id: string
  readonly type: string
  readonly request: string
  readonly position: number
  readonly resource: string
  readonly version: number
}

class Unanswered extends Error {}
/** Of a request that no server has seen. */
class Unsent extends Unanswered {}

test('EV-15 gateways, database and receiver are killed at random: every acknowledged write has its events, and each was delivered, in order per resource, with none made up', async () => {
  const world = await openChaos()
  try {
    const told: Told = { acknowledged: new Map(), unchanging: new Set(), wrong: [], unanswered: 0 }
    const done = () => told.acknowledged.size >= WRITES || told.wrong.length > 0
    const read = new Map<number, string>()
    let following = true
    const follower = follow(world, told, read, () => following)
    const clients = Array.from({ length: CLIENTS }, (_, client) => write(world, told, client, done))
    for (const { victim, after } of plan(world)) {
      while (told.acknowledged.size < after && !done()) await pause(5)
      await world.kill(victim)
    }
    await Promise.all(clients)
    expect(told.wrong).toEqual([])
    following = false
    await follower

    const { events, broken } = await world.settled(async (database) => ({
      events: await logOf(database),
      broken: await tenantBroken(database),
    }))
    expect(broken).toEqual([])
    holdsEveryWrite(events, told)
    // What was read while it all went on has neither moved nor left anything out.
    expect(read.size).toBeGreaterThan(0)
    expect([...read]).toEqual(events.slice(0, read.size).map(({ id, position }) => [position, id]))
    wasDelivered(events, world)
  } finally {
    await world.close()
  }
}, 1_200_000)

/** Whom to kill after how many writes: each as often as the others, at moments and in an order that differs each time. */
function plan({ victims }: ChaosWorld) {
  const kills = Array.from({ length: KILLS }, (_, i) => victims[i % victims.length] ?? 'server')
  const moments = kills.map(() => Math.random() * WRITES).sort((a, b) => a - b)
  return kills.sort(() => Math.random() - 0.5).map((victim, i) => ({ victim, after: moments[i] ?? 0 }))
}

/** People of a client's own come, change, join and leave groups, and go, one after the other. */
async function write(world: ChaosWorld, told: Told, client: number, done: () => boolean): Promise<void> {
  const send = async (method: string, path: string, body?: object) => {
    const sent = await request(`${world.origin(client)}/scim/v2/default/dev${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/scim+json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    }).catch((error: { code?: string }) => {
      if (error.code === 'ECONNREFUSED') throw new Unsent()
      return undefined
    })
    const text = await sent?.body.text().catch(() => undefined)
    // 408 comes from a server that was too busy to read the request.
    if (sent?.statusCode === 408) throw new Unsent()
    if (sent === undefined || text === undefined || sent.statusCode >= 500) {
      told.unanswered++
      throw new Unanswered()
    }
    const requestId = String(sent.headers['x-request-id'])
    return { status: sent.statusCode, requestId, id: (jsonIn(text) as { id?: string } | undefined)?.id ?? '', text }
  }
  /** `event` is what the write must have in the log; without it the answer must be `status`, and nothing be changed. */
  const ask = async (expected: string | number, method: string, path: string, body?: object) => {
    const { status, requestId, id, text } = await send(method, path, body)
    if (typeof expected === 'number' ? status !== expected : status >= 300) {
      told.wrong.push(`${method} ${path} was answered ${status} ${text}`)
      throw new Unanswered()
    }
    if (typeof expected === 'number') told.unchanging.add(requestId)
    else told.acknowledged.set(requestId, expected)
    return id
  }
  let group = ''
  for (let n = 0; !done(); n++) {
    const name = `chaos${client}-${n}`
    try {
      if (group === '' || n % PER_GROUP === 0) group = await ask('group.created', 'POST', '/Groups', groupBody(name))
      const user = `/Users/${await ask('user.created', 'POST', '/Users', userBody(name))}`
      const id = user.slice('/Users/'.length)
      const title = patchBody({ op: 'replace', path: 'title', value: 'A' })
      await ask('user.updated', 'PATCH', user, title)
      await ask('group.member_added', 'PATCH', `/Groups/${group}`, addMembers(id))
      await ask('user.deactivated', 'PATCH', user, patchBody({ op: 'replace', path: 'active', value: false }))
      if (n % 3 === 0) await ask('group.member_removed', 'PATCH', `/Groups/${group}`, removeMember(id))
      if (n % 4 === 0) await ask(409, 'POST', '/Users', userBody(name))
      if (n % 4 === 1) await ask(200, 'PATCH', user, title)
      if (n % 2 === 0) await ask('user.deleted', 'DELETE', user)
      else await ask('user.activated', 'PATCH', user, patchBody({ op: 'replace', path: 'active', value: true }))
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error
      await pause(100)
    }
  }
}

/** Follows the log by positions, whichever gateway is there, and notes which event stood where. */
async function follow(
  world: ChaosWorld,
  { wrong }: Told,
  read: Map<number, string>,
  following: () => boolean,
): Promise<void> {
  const tenant = '/api/v1/projects/default/environments/dev/tenants/default'
  for (let after = 0, turn = 0; following(); turn++) {
    try {
      const answer = await request(`${world.origin(turn)}${tenant}/events?after=${after}&limit=500&wait=1`, {
        headers: { authorization: `Bearer ${ADMIN}` },
      })
      if (answer.statusCode < 500 && ![200, 408].includes(answer.statusCode))
        wrong.push(`events were answered ${answer.statusCode}`)
      const { items, next } = (await answer.body.json()) as { items: { position: number; id: string }[]; next: number }
      for (const { position, id } of items) read.set(position, id)
      after = next
    } catch {
      await pause(100)
    }
  }
}

const logOf = (database: Database) =>
  database.run<Logged>(
    `select e.id::text, e.type, e.request_id as request, p.position::float8 as position, e.resource_id::text as resource,
       e.version::float8 as version from ${EVENTS_AND_POSITIONS} order by p.position`,
    [],
  )

async function tenantBroken(database: Database): Promise<string[]> {
  const [tenant] = await database.run<{ id: string }>(`select id::text from tenants where key = 'default'`, [])
  return inconsistencies(database, tenant?.id ?? '')
}

/** That the tenant was made is older than the endpoint, and no client here has asked for it. */
const isOlder = ({ type }: Logged) => type === 'tenant.created'

/** The log is dense, has every acknowledged write, in the order of versions, and nothing that no client has asked for. */
function holdsEveryWrite(events: readonly Logged[], { acknowledged, unchanging, unanswered }: Told): void {
  expect(events.map(({ position }) => position)).toEqual(events.map((_, i) => i + 1))
  const made = new Set(events.map(({ request, type }) => `${request} ${type}`))
  expect([...acknowledged].filter(([id, type]) => !made.has(`${id} ${type}`))).toEqual([])
  const requests = new Set(events.filter((event) => !isOlder(event)).map(({ request }) => request))
  expect([...unchanging].filter((id) => requests.has(id))).toEqual([])
  expect([...requests].filter((id) => !acknowledged.has(id)).length).toBeLessThanOrEqual(unanswered)
  inOrder(events, ({ version }) => version)
}

/** The receiver has taken every event, and nothing else; each for the first time behind all before it of its resource. */
function wasDelivered(events: readonly Logged[], world: ChaosWorld): void {
  const taken = world.taken()
  const ids = new Set(events.map(({ id }) => id))
  expect(taken.filter(({ id }) => !ids.has(id))).toEqual([])
  const delivered = new Set<string>()
  const first = taken.filter(({ id }) => !delivered.has(id) && delivered.add(id))
  expect(events.filter((event) => !delivered.has(event.id) && !isOlder(event))).toEqual([])
  inOrder(first, ({ position }) => position)
}

function inOrder<One extends { readonly resource: string }>(all: readonly One[], by: (one: One) => number): void {
  const last = new Map<string, number>()
  const back = all.filter((one) => {
    const before = last.get(one.resource) ?? 0
    last.set(one.resource, by(one))
    return by(one) < before
  })
  expect(back).toEqual([])
}
