import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { type Change, consumeOutbox, type MirrorOptions, openMirror } from '../../src/mirror/index.ts'
import { engineName, openFreshDatabase } from '../support/engines.ts'
import { groupBody, type Instance, idIn, openInstance, patchBody, userBody } from '../support/instances.ts'
import {
  type ApplicationDatabase,
  applicationOf,
  directoryOf,
  mirrored,
  mirrorOnce,
  openApplicationDatabase,
} from '../support/mirrors.ts'
import { findPgbouncer, startPgbouncer } from '../support/pgbouncer.ts'

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

async function world() {
  const place = await instance.newPlace()
  const tenant = await instance.newTenant({ place })
  const { ask, gateway } = await applicationOf(database, instance, place)
  const schema = `store_${++schemas}`
  const { sql, url } = application
  return {
    ...{ tenant, ask, sql, schema },
    options: { gateway, database: url, schema } satisfies MirrorOptions,
    user: async (name: string, rest: object = {}) => idIn(await tenant.scim('POST', '/Users', userBody(name, rest))),
    read: <Row extends object>(what: string) => sql.unsafe<Row[]>(what.replaceAll('rollcall.', `${schema}.`)),
  }
}

describe('the schema', () => {
  test('is made once, by whoever comes first, and is refused where it is of a newer release', async () => {
    const { options, read } = await world()
    const outcomes = await Promise.allSettled([mirrorOnce(options), mirrorOnce(options), mirrorOnce(options)])
    // Each has seen the tables; one of them held the lead.
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(String(outcome.reason)).toContain('another mirror writes this schema')
    expect(await read('select version from rollcall.versions')).toEqual([{ version: 1 }, { version: 2 }])
    await read('insert into rollcall.versions values (99)')
    await expect(mirrorOnce(options)).rejects.toThrow('is of a newer release: version 99')
  })

  test('may have been made by somebody who may make schemas, and a URL may name another search path', async () => {
    const { tenant, ask, options, user, sql, schema, read } = await world()
    await read(`create schema ${schema}`)
    await read(`create role mirror_${schema} login`)
    await read(`grant all on schema ${schema} to mirror_${schema}`)
    const url = new URL(`${options.database}?schema=app&sslmode=disable`)
    url.username = `mirror_${schema}`
    await user('ada')
    await mirrorOnce({ ...options, database: url.href })
    expect(await mirrored(sql, schema)).toEqual(await directoryOf(ask, [tenant]))
    await expect(mirrorOnce({ ...options, database: url.href, schema: 'not_made' })).rejects.toThrow(
      'permission denied',
    )
    await read(`drop owned by mirror_${schema}`)
    await read(`drop role mirror_${schema}`)
  })

  test('says in words what cannot be used', async () => {
    const { options } = await world()
    expect(() => openMirror({ ...options, schema: 'No Good' })).toThrow('"No Good" is no name for the schema')
    expect(() => openMirror({ ...options, database: 'mysql://x' })).toThrow(
      'the URL of the database takes a URL such as postgres://',
    )
    expect(() => openMirror({ ...options, gateway: { ...options.gateway, origin: 'scim.example.com' } })).toThrow(
      'https://scim.example.com',
    )
    expect(() => openMirror({ ...options, gateway: { ...options.gateway, key: '' } })).toThrow(
      'a key with directory:read',
    )
    await expect(mirrorOnce({ ...options, columns: { active: 'text' } })).rejects.toThrow(
      'a column active is there already',
    )
    await expect(mirrorOnce({ ...options, columns: { 'a b': 'text' } })).rejects.toThrow(
      '"a b" is no name for a column',
    )
    const mirror = openMirror(options)
    await expect(mirror.status()).rejects.toThrow(`there is no mirror in the schema "${options.schema}"`)
    await mirror.close()
  })

  test('status says how the mirror stands', async () => {
    const { options, user, read } = await world()
    await user('ada')
    await mirrorOnce({ ...options, outbox: true })
    await user('bob')
    await mirrorOnce({ ...options, outbox: true })
    const mirror = openMirror(options)
    const { source, seenAt, eventTime, lagMs, outbox, ...rest } = await mirror.status()
    expect(rest).toEqual({ state: 'following', tenantsToRead: 0, trouble: null })
    expect([source, outbox]).toEqual([`${options.gateway.project}/${options.gateway.environment}`, 4])
    expect(Date.parse(seenAt ?? '')).toBeGreaterThan(Date.parse(eventTime ?? ''))
    expect(lagMs).toBeGreaterThanOrEqual(0)
    await read(`update rollcall.state set seen_at = now() - interval '3 minutes', trouble = 'no way'`)
    expect(await mirror.status()).toMatchObject({ state: 'behind', trouble: 'no way' })
    await mirror.close()
  })
})

/** A gateway whose tenants have a mapping: by the user's title, and by the names of groups. */
function withMapping(
  { gateway }: { readonly gateway: MirrorOptions['gateway'] },
  given: (user: { title?: string; userName?: string }) => object,
) {
  const asked: string[] = []
  /** Goes into the next page of events. */
  const extra: { type: string }[] = []
  const fetch = async (request: Request): Promise<Response> => {
    asked.push(new URL(request.url).pathname.split('/').at(-1) ?? '')
    const response = await instance.send(request)
    if (!response.ok) return response
    const text = await response.text()
    const mapLine = (line: string) => {
      const parsed = JSON.parse(line)
      const isUser = parsed.kind === 'resource' && parsed.resource.type === 'User'
      return JSON.stringify(isUser ? { ...parsed, mapped: given(parsed.attributes) } : parsed)
    }
    if (request.url.includes('/snapshot'))
      return new Response(`${text.trimEnd().split('\n').map(mapLine).join('\n')}\n`)
    const page = JSON.parse(text)
    if (request.url.includes('/changes')) {
      for (const item of page.items)
        if (item.type === 'User' && item.resource) item.resource.mapped = given(item.resource)
      return Response.json({ ...page, items: [...page.items, ...asMembers(page.items)] })
    }
    for (const event of page.items)
      if (event.resource.type === 'User') event.mapped = event.snapshot ? given(event.snapshot.attributes) : {}
    for (const event of extra.splice(0))
      if (page.items.length > 0) Object.assign(page.items.at(-1), event, { snapshot: null })
    return Response.json(page)
  }
  /** Users whose groups have changed come with what the mapping gives them now. */
  const asMembers = (items: readonly { type: string; tenant: string; members?: { added: string[] } }[]) =>
    items.flatMap(({ tenant, members }) =>
      (members?.added ?? []).map((id) => ({
        tenant,
        type: 'User',
        id,
        deleted: false,
        resource: { mapped: { ...given({}), inGroup: true } },
      })),
    )
  return { asked, extra, gateway: { ...gateway, fetch } }
}

describe('mapped values', () => {
  test('stand in a column of their own, and in generated ones where they are named', async () => {
    const { options, user, read } = await world()
    const ada = await user('ada', { title: 'Engineer' })
    const values = { department: 'R & D', level: 3, admin: true, teams: ['a', 'b c'], nothing: null }
    const { gateway } = withMapping(options, ({ title }) =>
      title === 'Engineer' ? values : { ...values, level: 'high', teams: null },
    )
    const columns = { department: 'text', level: 'number', admin: 'boolean', teams: 'list', nothing: 'text' } as const
    await mirrorOnce({ ...options, gateway, columns })
    const names = 'mapped, department, level::float8, admin, teams, nothing'
    expect(await read(`select ${names} from rollcall.users`)).toEqual([{ mapped: values, ...values }])
    // A value of another type is null in its column, and as it is in the other one.
    const bob = await user('bob')
    await mirrorOnce({ ...options, gateway, columns })
    expect(await read(`select level, teams, mapped -> 'level' as raw from rollcall.users where id = '${bob}'`)).toEqual(
      [{ level: null, teams: null, raw: 'high' }],
    )
    // A column of another type is made anew.
    await mirrorOnce({ ...options, gateway, columns: { level: 'text' } })
    expect(await read(`select level from rollcall.users where id = '${ada}'`)).toEqual([{ level: '3' }])
    expect(await read(`select department from rollcall.users where id = '${ada}'`)).toEqual([{ department: 'R & D' }])
  })

  test('are read again when the mapping has changed, and for those whose groups have', async () => {
    const { tenant, options, user, read } = await world()
    const ada = await user('ada')
    let given: object = { one: 1 }
    const { gateway, asked, extra } = withMapping(options, () => given)
    await mirrorOnce({ ...options, gateway })
    const mapped = async () =>
      (await read<{ mapped: object }>('select mapped from rollcall.users order by user_name')).map((row) => row.mapped)
    expect(await mapped()).toEqual([{ one: 1 }])
    given = { two: 2 }
    extra.push({
      type: 'mapping.changed',
      resource: { type: 'Tenant', id: tenant.id, version: 0 },
      changes: {},
    } as never)
    await tenant.scim('PATCH', `/Users/${ada}`, patchBody({ op: 'replace', path: 'title', value: 'x' }))
    await mirrorOnce({ ...options, gateway })
    expect(await mapped()).toEqual([{ two: 2 }])
    asked.length = 0
    const changes: Change[] = []
    await tenant.scim('POST', '/Groups', groupBody('Sales', [ada]))
    await mirrorOnce({ ...options, gateway, onChange: (some) => void changes.push(...some) })
    expect(await mapped()).toEqual([{ two: 2, inGroup: true }])
    expect(asked).toContain('changes')
    expect(changes.map(({ kind }) => kind)).toEqual(['group.added', 'membership.added', 'user.changed'])
  })
})

describe('the outbox', () => {
  test('gives changes in their order, again where they were not handled, and to one consumer at a time', async () => {
    const { options, user, schema, read } = await world()
    await user('ada')
    await mirrorOnce({ ...options, outbox: true })
    for (const name of ['bob', 'cy', 'dee']) await user(name)
    await mirrorOnce({ ...options, outbox: true })
    const handled: string[] = []
    const failures: unknown[] = []
    let refuses = true
    let atOnce = 0
    const stopped = new AbortController()
    const handle = async (changes: readonly Change[]) => {
      expect(++atOnce).toBe(1)
      await read('select 1')
      atOnce--
      if (refuses) {
        refuses = false
        throw new Error('not now')
      }
      for (const change of changes) handled.push(change.kind === 'user.added' ? change.user.userName : change.kind)
      if (handled.includes('dee')) stopped.abort()
    }
    const consume = () =>
      consumeOutbox(
        { ...options, schema, limit: 2, pollMs: 5, handle, failed: (error) => failures.push(error) },
        stopped.signal,
      )
    await Promise.all([consume(), consume()])
    expect(handled.filter((name) => !name.startsWith('tenant'))).toEqual(['ada', 'bob', 'cy', 'dee'])
    expect(failures.map(String)).toEqual(['Error: not now'])
    expect([...(await read('select 1 from rollcall.outbox'))]).toEqual([])
  })
})

// The mirror's database is the same PostgreSQL whichever engine the gateway has: once is enough.
const program = findPgbouncer()
test.skipIf(program === undefined || engineName() === 'pglite')(
  'works behind a pooler in transaction mode',
  async () => {
    const { tenant, ask, options, user, sql, schema } = await world()
    const pooler = await startPgbouncer(program as string, options.database, ['default_pool_size = 2'])
    const pooled = { ...options, database: pooler.through(options.database) }
    await user('ada')
    await mirrorOnce(pooled)
    const mirror = openMirror(pooled)
    const stopped = new AbortController()
    const following = mirror.follow(stopped.signal)
    await user('bob')
    await expect.poll(async () => Object.keys((await mirrored(sql, schema)).users).length).toBe(2)
    // The lead holds behind the pooler, too.
    await expect(mirrorOnce(options)).rejects.toThrow('another mirror writes this schema')
    stopped.abort()
    await following
    await mirror.close()
    expect(await mirrored(sql, schema)).toEqual(await directoryOf(ask, [tenant]))
    await pooler.stop()
  },
)
