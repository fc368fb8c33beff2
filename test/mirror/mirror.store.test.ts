import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { moveTenant } from '../../src/administration/tenant-moves.ts'
import { deleteTenant } from '../../src/administration/tenants.ts'
import type { Database } from '../../src/db/database.ts'
import { type Change, type MirrorOptions, openMirror, type Report } from '../../src/mirror/index.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { administrationOn } from '../support/administration.ts'
import { onCitus, openFreshDatabase } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import {
  addMembers,
  groupBody,
  type Instance,
  idIn,
  openInstance,
  patchBody,
  removeMember,
  userBody,
} from '../support/instances.ts'
import {
  type ApplicationDatabase,
  applicationOf,
  directoryOf,
  mirrored,
  mirrorOnce,
  openApplicationDatabase,
} from '../support/mirrors.ts'

let database: Database
let instance: Instance
let application: ApplicationDatabase
beforeAll(async () => {
  database = await openFreshDatabase()
  instance = await openInstance(database)
  application = await openApplicationDatabase()
})
afterAll(async () => {
  await application.close()
  await instance.close()
  await database.close()
})

let schemas = 0

/** An environment with a tenant, and how it is mirrored into a schema of its own. */
async function world() {
  const place = await instance.newPlace()
  const roleRules = [{ group: { displayName: 'Sales' }, role: 'seller' }]
  const tenant = await instance.newTenant({ place, settings: { roleRules } })
  const { ask, gateway } = await applicationOf(database, instance, place)
  const schema = `mirror_${++schemas}`
  const { sql, url } = application
  return {
    ...{ place, tenant, ask, schema, sql },
    options: { gateway, database: url, schema } satisfies MirrorOptions,
    user: async (name: string, rest: object = {}, of = tenant) =>
      idIn(await of.scim('POST', '/Users', userBody(name, rest))),
    group: async (name: string, members: string[] = [], of = tenant) =>
      idIn(await of.scim('POST', '/Groups', groupBody(name, members))),
    read: <Row extends object>(what: string) => sql.unsafe<Row[]>(what.replaceAll('rollcall.', `${schema}.`)),
    is: () => mirrored(sql, schema),
  }
}

/** A mirror that goes on until it is stopped, and what it has told. */
function following(options: MirrorOptions) {
  const stopped = new AbortController()
  const reports: Report[] = []
  const waiting = new Set<() => void>()
  const mirror = openMirror({
    ...options,
    onReport: (report) => {
      reports.push(report)
      for (const look of waiting) look()
    },
  })
  const ended = mirror.follow(stopped.signal).finally(() => mirror.close())
  ended.catch(() => {})
  return {
    ...{ reports, ended },
    /** Waits until it has told this state once more than `before` times. */
    says: (state: Report['state'], before = 0) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (reports.filter((report) => report.state === state).length <= before) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    stop: async () => {
      stopped.abort()
      await ended
    },
  }
}

/** Something that one part of a test waits for, and another gives. */
function signal() {
  let give = () => {}
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return { given, give: () => give() }
}

describe('a mirror', () => {
  test('is what the directory is: by the snapshot first, by events then', async () => {
    const { place, tenant: one, ask, options, user, group, is } = await world()
    const two = await instance.newTenant({ place })
    const ada = await user('ada', { emails: [{ value: 'ada@a.example' }] })
    const sales = await group('Sales', [ada])
    const bob = await user('bob', {}, two)
    await mirrorOnce(options)
    const before = await directoryOf(ask, [one, two])
    expect(before.roles).toEqual([`${one.id} ${ada} seller`])
    expect(await is()).toEqual(before)

    const cy = await user('cy', { active: false })
    await one.scim('PATCH', `/Groups/${sales}`, addMembers(cy))
    await one.scim('PATCH', `/Groups/${sales}`, removeMember(ada))
    await one.scim('PATCH', `/Users/${ada}`, patchBody({ op: 'replace', path: 'active', value: false }))
    await two.scim('DELETE', `/Users/${bob}`)
    const all = await group('All', [sales, cy])
    await mirrorOnce(options)
    const after = await directoryOf(ask, [one, two])
    expect(after.others).toEqual([`${one.id} ${all} ${sales}`])
    expect(await is()).toEqual(after)
  })

  test('one writes at a time: a second one waits, and goes on where the first has ended', async () => {
    const { tenant, ask, options, user, is } = await world()
    const first = following(options)
    await first.says('following')
    const second = following(options)
    await second.says('standby')
    await expect(mirrorOnce(options)).rejects.toThrow('another mirror writes this schema')
    await user('ada')
    await first.says('applied')
    expect(await is()).toEqual(await directoryOf(ask, [tenant]))
    await first.stop()
    await second.says('following')
    await user('bob')
    await second.says('applied')
    expect(await is()).toEqual(await directoryOf(ask, [tenant]))
    expect(first.reports.filter(({ state }) => state === 'trouble')).toEqual([])
    await second.stop()
  })

  test('a row that the application refers to stays when its user is gone, and says nothing of the person', async () => {
    const { tenant, options, user, group, read, is } = await world()
    const ada = await user('ada', { displayName: 'Ada Byron', emails: [{ value: 'ada@secret.example' }] })
    await group('Sales', [ada])
    await mirrorOnce(options)
    await read(
      `create table rollcall.profiles (tenant_id uuid, user_id uuid, foreign key (tenant_id, user_id) references rollcall.users)`,
    )
    await read(`insert into rollcall.profiles values ('${tenant.id}', '${ada}')`)
    await tenant.scim('DELETE', `/Users/${ada}`)
    await mirrorOnce(options)
    expect((await is()).users).toEqual({})
    const [row] = await read<{ gone: boolean; text: string }>(
      `select u.deleted_at is not null as gone, u::text as text from rollcall.profiles p join rollcall.users u on (u.tenant_id, u.id) = (p.tenant_id, p.user_id)`,
    )
    expect(row?.gone).toBe(true)
    expect(row?.text).not.toMatch(/ada|byron|secret/i)
    expect((await is()).memberships).toEqual([])
  })

  test('with deleted: delete the row goes, and references of the application with it', async () => {
    const { tenant, options, user, read } = await world()
    const ada = await user('ada')
    await mirrorOnce({ ...options, deleted: 'delete' })
    await read(`create table rollcall.profiles (tenant_id uuid, user_id uuid,
      foreign key (tenant_id, user_id) references rollcall.users on delete cascade)`)
    await read(`insert into rollcall.profiles values ('${tenant.id}', '${ada}')`)
    await tenant.scim('DELETE', `/Users/${ada}`)
    await mirrorOnce({ ...options, deleted: 'delete' })
    expect([
      ...(await read('select id from rollcall.users')),
      ...(await read('select 1 from rollcall.profiles')),
    ]).toEqual([])
  })

  test('a user who is kept is gone, and comes back with the same row', async () => {
    const { place, ask, options, user, is, read } = await world()
    const tenant = await instance.newTenant({
      place,
      settings: { onDelete: 'deactivate', deletedUserDays: 30 } as never,
    })
    const ada = await user('ada', {}, tenant)
    await mirrorOnce(options)
    await tenant.scim('DELETE', `/Users/${ada}`)
    await mirrorOnce(options)
    expect(await is()).toEqual(await directoryOf(ask, [tenant]))
    const again = await user('ada', {}, tenant)
    await mirrorOnce(options)
    expect(await is()).toEqual(await directoryOf(ask, [tenant]))
    expect(await read(`select deleted_at from rollcall.users where id = '${again}'`)).toEqual([{ deleted_at: null }])
  })

  // On Citus no tenant moves to another environment: docs/scale.md.
  test.skipIf(onCitus())('tenants that are new, deleted, moved away or moved here are followed', async () => {
    const { place, tenant: stays, ask, options, user, group, is, read } = await world()
    const elsewhere = await instance.newEnvironment(place)
    const [going, leaving] = [await instance.newTenant({ place }), await instance.newTenant({ place })]
    const coming = await instance.newTenant({ place: elsewhere })
    for (const tenant of [stays, going, leaving, coming]) await group('Group', [await user('ada', {}, tenant)], tenant)
    await mirrorOnce(options)
    expect(await is()).toEqual(await directoryOf(ask, [stays, going, leaving]))

    const administration = administrationOn(database)
    const move = (from: typeof place, tenant: typeof stays, to: typeof place) =>
      moveTenant(administration, from, tenant.id, { to, key: tenant.name, keepFormerUrlDays: 0 })
    await deleteTenant(administration, place, going.id)
    await move(place, leaving, elsewhere)
    await move(elsewhere, coming, place)
    const late = await instance.newTenant({ place })
    await user('bob', {}, late)
    await mirrorOnce(options)
    expect(await is()).toEqual(await directoryOf(ask, [stays, coming, late]))
    expect(await read(`select key from rollcall.tenants where deleted_at is null order by key collate "C"`)).toEqual(
      ['default', ...[stays, coming, late].map(({ name }) => name)].sort().map((key) => ({ key })),
    )
    // It changes while it is away, and comes back.
    await user(
      'cy',
      {},
      { ...leaving, scim: instance.reach({ base: `${elsewhere.base}/v2/${leaving.name}`, key: leaving.key }) },
    )
    await move(elsewhere, leaving, place)
    await mirrorOnce(options)
    expect(await is()).toEqual(await directoryOf(ask, [stays, leaving, coming, late]))
  })

  test('one tenant alone, by a key of that tenant', async () => {
    const { place, tenant, ask, options, user, is } = await world()
    await user('bob', {}, await instance.newTenant({ place }))
    await user('ada')
    const gateway = { ...options.gateway, key: tenant.key, tenant: tenant.name }
    await mirrorOnce({ ...options, gateway })
    await user('cy')
    await mirrorOnce({ ...options, gateway })
    expect(await is()).toEqual(await directoryOf(ask, [tenant]))
    expect(Object.keys((await is()).users)).toHaveLength(2)
    await expect(mirrorOnce(options)).rejects.toThrow(/mirrors .*\/.*\/.*, not .*: name another schema/)
  })
})

describe('where the feed does not reach back', () => {
  test('the snapshot is read again: what differs is changed and told, and nothing else', async () => {
    const { tenant, ask, options, user, group, is, read } = await world()
    const people = [await user('ada'), await user('bob'), await user('cy')]
    const [ada, bob, cy] = people
    const sales = await group('Sales', people)
    await mirrorOnce(options)
    const [stranger, ghosts] = [crypto.randomUUID(), crypto.randomUUID()]
    await read(
      `insert into rollcall.users (tenant_id, id, user_name, active, version) values ('${tenant.id}', '${stranger}', 'x', true, 1)`,
    )
    await read(`insert into rollcall.groups (tenant_id, id, version) values ('${tenant.id}', '${ghosts}', 1)`)
    await read(
      `insert into rollcall.memberships values ('${tenant.id}', '${sales}', '${stranger}', 1), ('${tenant.id}', '${ghosts}', '${ada}', 1)`,
    )
    await read(`insert into rollcall.roles values ('${tenant.id}', '${ada}', 'boss', 1)`)
    await read(`delete from rollcall.memberships where user_id = '${bob}'`)
    // As from a store that was put back to an earlier state.
    await read(
      `update rollcall.users set version = 99, attributes = '{"userName": "cc"}', user_name = 'cc' where id = '${cy}'`,
    )
    await read(`update rollcall.state set cursor = 'f00000000.1'`)
    const kept = await read<{ xmin: string }>(`select xmin::text from rollcall.users where id = '${ada}'`)
    const changes: Change[] = []
    await mirrorOnce({ ...options, onChange: (some) => void changes.push(...some) })
    expect(await is()).toEqual(await directoryOf(ask, [tenant]))
    const about = { tenant: tenant.id }
    expect(changes.map(({ kind }) => kind).sort()).toEqual([
      'group.removed',
      'membership.added',
      'membership.removed',
      'membership.removed',
      'role.removed',
      'user.changed',
      'user.removed',
    ])
    expect(changes).toEqual(
      expect.arrayContaining([
        { ...about, kind: 'membership.added', group: sales, user: bob },
        { ...about, kind: 'user.removed', user: { id: stranger } },
        { ...about, kind: 'role.removed', role: 'boss', user: ada },
        expect.objectContaining({ kind: 'user.changed', user: expect.objectContaining({ id: cy, userName: 'cy' }) }),
      ]),
    )
    // Who was right has not been touched.
    expect(await read(`select xmin::text from rollcall.users where id = '${ada}'`)).toEqual(kept)
    // And events go on from there, also of the one whose version was ahead.
    await tenant.scim('PATCH', `/Users/${cy}`, patchBody({ op: 'replace', path: 'active', value: false }))
    await mirrorOnce(options)
    expect(await is()).toEqual(await directoryOf(ask, [tenant]))
  })

  test('a gap in the positions of a tenant has its snapshot read', async () => {
    const { tenant, ask, options, user, is, read } = await world()
    const ada = await user('ada')
    await mirrorOnce(options)
    await user('bob')
    await mirrorOnce(options)
    await read(`delete from rollcall.users where id = '${ada}'`)
    await read('update rollcall.tenants set position = position - 1')
    await user('cy')
    const reports: Report[] = []
    await mirrorOnce({ ...options, onReport: (report) => reports.push(report) })
    expect(reports.map(({ state }) => state)).toContain('reading')
    expect(await is()).toEqual(await directoryOf(ask, [tenant]))
  })

  test('a snapshot that breaks off takes nobody away, and is read anew', async () => {
    const { tenant, ask, options, user, is, read } = await world()
    await user('ada')
    await user('bob')
    await mirrorOnce(options)
    await read(`update rollcall.state set cursor = null`)
    let breaks = true
    const fetch = async (request: Request) => {
      const response = await instance.send(request)
      if (!breaks || !request.url.includes('/snapshot?tenants=')) return response
      return new Response((await response.text()).split('\n').slice(0, 3).join('\n'))
    }
    const broken = { ...options, gateway: { ...options.gateway, fetch } }
    await expect(mirrorOnce(broken)).rejects.toThrow('the gateway broke off a snapshot')
    expect(await is()).toEqual(await directoryOf(ask, [tenant]))
    breaks = false
    await mirrorOnce(broken)
    expect(await is()).toEqual(await directoryOf(ask, [tenant]))
  })
})

describe('while the snapshot of one tenant is read', () => {
  test('events of the others go on, and those of the tenants that are read come after it', async () => {
    const { place, ask, options, user, group, is, read } = await world()
    const made = [await instance.newTenant({ place }), await instance.newTenant({ place })]
    const [first, second] = made.toSorted((one, two) => (one.id < two.id ? -1 : 1)) as [TestTenant, TestTenant]
    const other = await instance.newTenant({ place })
    const sales = await group('Sales', [await user('ada', {}, first)], first)
    await user('bob', {}, first)
    for (const name of ['ada', 'bob']) await user(name, {}, second)
    await mirrorOnce(options)
    const [asked, halfOfFirst, halfOfSecond] = [signal(), signal(), signal()]
    // The gateway says nothing more in the midst of each, until it is let go on.
    const fetch = async (request: Request) => {
      const response = await instance.send(request)
      if (!request.url.includes('/snapshot?tenants=')) return response
      const lines = (await response.text()).trimEnd().split('\n')
      asked.give()
      const part = (from: number, to?: number) => Buffer.from(`${lines.slice(from, to).join('\n')}\n`)
      const middle = lines.findIndex((line) => line.includes('"kind":"tenant"') && line.includes(second.id)) + 2
      const body = (async function* () {
        yield part(0, 2)
        await halfOfFirst.given
        yield part(2, middle)
        await halfOfSecond.given
        yield part(middle)
      })()
      return new Response(ReadableStream.from(body))
    }
    const isRead = async ({ id }: TestTenant) => {
      const [row] = await read<{ done: boolean }>(
        `select wanted = reading as done from rollcall.tenants where id = '${id}'`,
      )
      return row?.done
    }
    /** The mirror has looked at all events until now. */
    const hasLooked = async () => {
      const id = await user(crypto.randomUUID(), {}, other)
      const found = () => read<{ id: string }>(`select id::text from rollcall.users where id = '${id}'`)
      await expect.poll(found, { timeout: 60_000 }).toEqual([{ id }])
    }
    await read(`update rollcall.tenants set wanted = wanted + 1 where id in ('${first.id}', '${second.id}')`)
    const mirror = following({ ...options, gateway: { ...options.gateway, fetch } })
    await asked.given
    const late = await user('dan', {}, first)
    await first.scim('PATCH', `/Groups/${sales}`, addMembers(late))
    await hasLooked()
    expect(await read(`select 1 from rollcall.users where id = '${late}'`)).toEqual([])
    expect([await isRead(first), await isRead(second)]).toEqual([false, false])
    halfOfFirst.give()
    await expect.poll(() => isRead(first), { timeout: 60_000 }).toBe(true)
    await user('eve', {}, first)
    await hasLooked()
    halfOfSecond.give()
    await mirror.says('following')
    const wanted = await directoryOf(ask, [first, second, other])
    await expect.poll(is, { timeout: 60_000 }).toEqual(wanted)
    await mirror.stop()
    expect(mirror.reports.filter(({ state }) => state === 'trouble')).toEqual([])
  })

  test('a tenant that waits for its turn has what happened until then by its snapshot', async () => {
    const { place, tenant: first, ask, options, user, is, read } = await world()
    const tenants = [first]
    for (let i = 0; i < 20; i++) tenants.push(await instance.newTenant({ place }))
    for (const tenant of tenants) await user('ada', {}, tenant)
    await mirrorOnce(options)
    await read('update rollcall.tenants set wanted = wanted + 1')
    // Beside each request for snapshots everybody changes.
    const fetch = async (request: Request) => {
      const response = await instance.send(request)
      if (request.url.includes('/snapshot?tenants='))
        for (const tenant of tenants) {
          await user(`bob${crypto.randomUUID()}`, {}, tenant)
          await eventLogOf(database, tenant.id).number({ wait: true })
        }
      return response
    }
    const reports: Report[] = []
    await mirrorOnce({
      ...{ ...options, gateway: { ...options.gateway, fetch } },
      onReport: (report) => reports.push(report),
    })
    expect(await is()).toEqual(await directoryOf(ask, tenants))
    // Two requests, as 20 tenants are read by one; nobody is read again.
    expect(reports.filter(({ state }) => state === 'reading')).toHaveLength(2)
  })
})

describe('changes', () => {
  test('are told within the transaction: what is thrown there takes them back, and they are told again', async () => {
    const { options, user, read, is } = await world()
    await mirrorOnce(options)
    await read('create table rollcall.seen (name text)')
    const ada = await user('ada')
    let refuses = true
    const onChange: MirrorOptions['onChange'] = async (changes, { query }) => {
      for (const change of changes)
        if (change.kind === 'user.added')
          await query(`insert into ${options.schema}.seen values ($1)`, [change.user.userName])
      if (refuses) throw new Error('not now')
    }
    await expect(mirrorOnce({ ...options, onChange })).rejects.toThrow('not now')
    expect([(await is()).users, [...(await read('select * from rollcall.seen'))]]).toEqual([{}, []])
    refuses = false
    await mirrorOnce({ ...options, onChange })
    expect(Object.keys((await is()).users)).toEqual([expect.stringContaining(ada)])
    expect([...(await read('select * from rollcall.seen'))]).toEqual([{ name: 'ada' }])
  })
})

describe('a gateway that is away', () => {
  test('is asked again after as long as it says, and the mirror goes on', async () => {
    const { tenant, ask, options, user, is } = await world()
    let refusals = 0
    const fetch = async (request: Request) => {
      if (refusals-- > 0) return new Response('{"detail": "busy"}', { status: 503, headers: { 'Retry-After': '0' } })
      return instance.send(request)
    }
    refusals = 2
    const mirror = following({ ...options, gateway: { ...options.gateway, fetch } })
    await mirror.says('following')
    refusals = 1
    await user('ada')
    await mirror.says('applied')
    await mirror.stop()
    const troubles = mirror.reports.filter(({ state }) => state === 'trouble')
    expect(troubles.slice(0, 2)).toEqual([
      { state: 'trouble', reason: 'busy', retryMs: 0 },
      { state: 'trouble', reason: 'busy', retryMs: 0 },
    ])
    expect(await is()).toEqual(await directoryOf(ask, [tenant]))
  })

  test('one that refuses the key ends the mirror at its start, in the words of the gateway', async () => {
    const { options } = await world()
    const refused = following({ ...options, gateway: { ...options.gateway, key: 'rck_wrong' } })
    await expect(refused.ended).rejects.toThrow(/key/i)
    const nobody = following({ ...options, gateway: { ...options.gateway, environment: 'nowhere' } })
    await expect(nobody.ended).rejects.toThrow(/nowhere|environment/)
  })
})
