import { type ChildProcess, fork } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Change, Report } from '../../src/mirror/index.ts'
import { built } from '../support/built.ts'
import { engineName } from '../support/engines.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'
import { addMembers, groupBody, idIn, patchBody, removeMember, userBody } from '../support/instances.ts'
import {
  type ApplicationDatabase,
  directoryOf,
  mirrored,
  mirrorOnce,
  openApplicationDatabase,
  type Picture,
} from '../support/mirrors.ts'

// What is killed has the application's database, a PostgreSQL beside each engine: the whole number is for one of them.
const KILLS = engineName() === 'postgres' ? 100 : 30
/** Processes that are started ahead, since a start takes longer than what is to be killed. */
const AHEAD = 3
/** Changes of each tenant beside each life of a mirror. */
const CHANGES = 4

let gateway: Gateway
let application: ApplicationDatabase
beforeAll(async () => {
  gateway = await openGateway()
  application = await openApplicationDatabase()
})
afterAll(async () => {
  await gateway.close()
  await application.close()
})

test(`after ${KILLS} kills while the directory changes, a mirror is what the directory is, and has told each change once`, async () => {
  const { origin, project, environment } = gateway
  const key = await gateway.mintKey({ permissions: ['directory:read'] })
  const roleRules = [{ group: { pattern: 'Group*' }, role: 'grouped' }]
  const tenants = [await gateway.newTenant({ settings: { roleRules } }), await gateway.newTenant()]
  const options = { gateway: { origin, key, project, environment }, database: application.url, outbox: true }
  await mirrorOnce(options)

  const directories = tenants.map((tenant) => new Directory(tenant))
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
  await mirrorOnce(options)

  expect(seen.get('applied')).toBeGreaterThan(0)
  expect(seen.get('reading')).toBeGreaterThan(0)
  const ask = (path: string) =>
    fetch(`${origin}/api/v1/projects/${project}/environments/${environment}${path}`, {
      headers: { Authorization: `Bearer ${key}` },
    })
  const wanted = await directoryOf(ask, tenants)
  expect(Object.keys(wanted.users).length).toBeGreaterThan(10)
  expect(await mirrored(application.sql)).toEqual(wanted)
  expect(await told(application)).toEqual(wanted)
})

/** A mirror that begins when it is sent its options. */
const start = (): ChildProcess => fork(built.program('mirror'), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })

/** A tenant that is changed at random. */
class Directory {
  readonly #scim: TestTenant['scim']
  readonly #users: string[] = []
  readonly #groups: string[] = []

  constructor({ scim }: TestTenant) {
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
    if (chance <= 2) users.push(idIn(await scim('POST', '/Users', userBody(`user${name}`))))
    else if (chance === 3 || groups.length === 0)
      groups.push(idIn(await scim('POST', '/Groups', groupBody(`Group ${name}`, [one(users)]))))
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
      const { id, active, account, attributes } = change.user
      if (kind === 'user.added' && `${tenant} ${id}` in users) wrong.push(change)
      users[`${tenant} ${id}`] = { active, account, attributes }
    }
    if (kind === 'group.added' || kind === 'group.changed')
      groups[`${tenant} ${change.group.id}`] = { attributes: change.group.attributes }
    if (kind === 'user.removed') delete users[`${tenant} ${change.user.id}`]
    if (kind === 'group.removed') delete groups[`${tenant} ${change.group.id}`]
  }
  expect(wrong).toEqual([])
  return { users: users, groups: groups, memberships: [...memberships].sort(), others: [], roles: [...roles].sort() }
}
