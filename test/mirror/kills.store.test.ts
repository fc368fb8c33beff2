import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Change, Report } from '../../src/mirror/index.ts'
import { built } from '../support/built.ts'
import { type Child, runMain } from '../support/children.ts'
import { engineName, ownStore } from '../support/engines.ts'
import { addMembers, groupBody, patchBody, removeMember, userBody } from '../support/instances.ts'
import {
  type ApplicationDatabase,
  directoryOf,
  mirrored,
  mirrorOnce,
  openApplicationDatabase,
  type Picture,
} from '../support/mirrors.ts'

/** The embedded engine takes longer to come back, and is killed less often; `MIRROR_KILLS=100` for as many there. */
const KILLS = Number(process.env.MIRROR_KILLS ?? { postgres: 100, pglite: 20 }[engineName()])
/** Processes that are started ahead, since a start takes longer than what is to be killed. */
const AHEAD = 3
/** Changes of each tenant beside each life of a mirror. */
const CHANGES = 4
const ADMIN_KEY = randomBytes(20).toString('hex')
const MAPPING = { login: { upper: 'userName' }, teams: { groups: 'Group*', keep: 'star' }, staff: { constant: true } }
const COLUMNS = { login: 'text', teams: 'list', staff: 'boolean' } as const

let store: Awaited<ReturnType<typeof ownStore>>
let gateway: Child
let origin: string
let application: ApplicationDatabase
beforeAll(async () => {
  store = await ownStore()
  ;({ gateway, origin } = await runMain({ ...store.env, HOST: '127.0.0.1', ADMIN_KEY, LOG_LEVEL: 'silent' }))
  application = await openApplicationDatabase()
})
afterAll(async () => {
  gateway.process.kill('SIGKILL')
  await gateway.ended()
  await application.close()
  store.remove()
})

type Send = (method: string, path: string, body?: object) => Promise<{ readonly id: string; readonly key: string }>

/** Sends requests below an address; a refusal is an error, unless what is asked for is gone. */
const sender =
  (base: string): Send =>
  async (method, path, body) => {
    const type = base.includes('/scim/') ? 'application/scim+json' : 'application/json'
    const response = await fetch(base + path, {
      method,
      headers: { Authorization: `Bearer ${ADMIN_KEY}`, 'Content-Type': type },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok && response.status !== 404) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? {} : JSON.parse(text)
  }

test(`after ${KILLS} kills while the directory changes, a mirror is what the directory is, and has told each change once`, async () => {
  const environment = `${origin}/api/v1/projects/default/environments/dev`
  const admin = sender(environment)
  const { key } = await admin('POST', '/api-keys', { name: 'mirror', permissions: ['directory:read'] })
  const rules = [{ group: { pattern: 'Group*' }, role: 'grouped' }]
  const tenants = [
    await admin('POST', '/tenants', { key: 'one', settings: { roleRules: rules } }),
    await admin('POST', '/tenants', { key: 'two' }),
  ]
  await admin('PUT', '/mapping', { mapping: MAPPING })
  const at = { origin, key, project: 'default', environment: 'dev' }
  const options = { gateway: at, database: application.url, outbox: true, columns: COLUMNS }
  await mirrorOnce(options)

  const directories = ['one', 'two'].map((name) => new Directory(sender(`${origin}/scim/v2/default/dev/v2/${name}`)))
  const waiting = Array.from({ length: AHEAD }, start)
  const seen = new Map<string, number>()
  for (let kill = 0; kill < KILLS; kill++) {
    // Now and then the feed does not reach back: all is read anew, and the kill comes in the midst of that.
    if (kill % 10 === 9) await application.sql`update rollcall.state set cursor = null, revision = revision + 1`
    const process = waiting.shift() as ChildProcess
    waiting.push(start())
    const began = new Promise<void>((resolve, reject) => {
      process.on('message', (report: Report | { readonly state: 'refused'; readonly reason: string }) => {
        seen.set(report.state, (seen.get(report.state) ?? 0) + 1)
        if (report.state === 'refused') reject(new Error(report.reason))
        if (report.state === 'reading' || report.state === 'applied') resolve()
      })
      process.once('exit', () => reject(new Error('the mirror has ended by itself')))
    })
    process.send(options)
    const changed = directories.map((directory) => directory.change(CHANGES))
    await began
    await pause(randomInt(0, 40))
    const gone = new Promise((resolve) => process.once('exit', resolve))
    process.kill('SIGKILL')
    await gone
    await Promise.all(changed)
  }
  for (const process of waiting) process.kill('SIGKILL')
  // The database may not have noticed the last one's end yet.
  const last = () => mirrorOnce(options).then(() => 'done', String)
  await expect.poll(last, { timeout: 60_000 }).toBe('done')

  expect(seen.get('applied')).toBeGreaterThan(0)
  expect(seen.get('reading')).toBeGreaterThan(0)
  const ask = (path: string) => fetch(environment + path, { headers: { Authorization: `Bearer ${key}` } })
  const wanted = await directoryOf(ask, tenants)
  expect(Object.keys(wanted.users).length).toBeGreaterThan(10)
  expect(await mirrored(application.sql)).toEqual(wanted)
  expect(Object.values(wanted.users)).toContainEqual(expect.objectContaining({ mapped: expect.anything() }))
  // Columns of mapped values are what the mapping gives.
  const wrong = await application.sql`select id from rollcall.users where deleted_at is null and (
    login is distinct from upper(user_name) or staff is not true or teams is distinct from rollcall.texts(mapped -> 'teams'))`
  expect([...wrong]).toEqual([])
  expect(await told(application)).toEqual(wanted)
})

/** A mirror that begins when it is sent its options. */
const start = (): ChildProcess => fork(built.program('mirror'), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })

/** A tenant that is changed at random. */
class Directory {
  readonly #scim: Send
  readonly #users: string[] = []
  readonly #groups: string[] = []

  constructor(scim: Send) {
    this.#scim = scim
  }

  async change(times: number): Promise<void> {
    for (let i = 0; i < times; i++) await this.#once()
  }

  async #once(): Promise<void> {
    const [scim, users, groups] = [this.#scim, this.#users, this.#groups]
    const one = (ids: readonly string[]) => ids[randomInt(0, ids.length)] ?? ''
    const chance = users.length < 5 ? 0 : randomInt(0, 10)
    const name = `${Math.random()}`.slice(2)
    if (chance <= 2) users.push((await scim('POST', '/Users', userBody(`user${name}`))).id)
    else if (chance === 3 || groups.length === 0)
      groups.push((await scim('POST', '/Groups', groupBody(`Group ${name}`, [one(users)]))).id)
    else if (chance === 4) await scim('DELETE', `/Users/${users.splice(randomInt(0, users.length), 1)[0]}`)
    else if (chance === 5 && groups.length > 3)
      await scim('DELETE', `/Groups/${groups.splice(randomInt(0, groups.length), 1)[0]}`)
    else if (chance === 6) {
      const value = randomInt(0, 2) === 0
      await scim('PATCH', `/Users/${one(users)}`, patchBody({ op: 'replace', path: 'active', value }))
    } else if (chance === 7) await scim('PATCH', `/Groups/${one(groups)}`, removeMember(one(users)))
    else await scim('PATCH', `/Groups/${one(groups)}`, addMembers(one(users), one(users)))
  }
}

/** What somebody has who began with nothing and followed the outbox. */
async function told({ sql }: ApplicationDatabase): Promise<Picture> {
  const users: Record<string, unknown> = {}
  const groups: Record<string, unknown> = {}
  const [memberships, roles] = [new Set<string>(), new Set<string>()]
  const wrong: Change[] = []
  const put = (set: Set<string>, text: string, isIn: boolean, change: Change) => {
    if (set.has(text) === isIn) wrong.push(change)
    if (isIn) set.add(text)
    else set.delete(text)
  }
  for (const { change } of await sql<{ change: Change }[]>`select change from rollcall.outbox order by id`) {
    const { tenant, kind } = change
    if (kind === 'membership.added' || kind === 'membership.removed')
      put(memberships, `${tenant} ${change.group} ${change.user}`, kind === 'membership.added', change)
    if (kind === 'role.added' || kind === 'role.removed')
      put(roles, `${tenant} ${change.user} ${change.role}`, kind === 'role.added', change)
    if (kind === 'user.added' || kind === 'user.changed') {
      const { id, active, account, attributes, mapped } = change.user
      if (kind === 'user.added' && `${tenant} ${id}` in users) wrong.push(change)
      users[`${tenant} ${id}`] = { active, account, attributes, ...(mapped && { mapped }) }
    }
    if (kind === 'group.added' || kind === 'group.changed')
      groups[`${tenant} ${change.group.id}`] = { attributes: change.group.attributes }
    if (kind === 'user.removed') delete users[`${tenant} ${change.user.id}`]
    if (kind === 'group.removed') delete groups[`${tenant} ${change.group.id}`]
  }
  expect(wrong).toEqual([])
  return { users: users, groups: groups, memberships: [...memberships].sort(), others: [], roles: [...roles].sort() }
}
