import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ACME, ADMIN_KEY, GLOBEX, openConsole, PROD, type TestConsole, type Visitor } from '../../support/console.ts'
import type { Scim } from '../../support/gateway.ts'
import { groupBody, idIn, ORIGIN, patchBody, userBody } from '../../support/instances.ts'

let opened: TestConsole
let admin: Visitor
let scimKey: { id: string; key: string }
let ada: string
let grace: string

const scim = (tenant: string): Scim =>
  opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/${tenant}`, key: scimKey.key })
const OKTA = { 'User-Agent': 'Okta SCIM Client 1.0.0' }
const made = async (tenant: string, body: object): Promise<string> =>
  idIn(await scim(tenant)('POST', '/Users', body, OKTA))

beforeAll(async () => {
  opened = await openConsole()
  scimKey = await opened.keyFor(PROD, ['scim:read', 'scim:write'], { name: 'the Okta of all' })
  admin = await opened.signIn(ADMIN_KEY)
  const emails = [{ value: 'Ada@home.example', type: 'home' }]
  const name = { givenName: 'Augusta', familyName: 'Lovelace' }
  ada = await made('acme', userBody('ada', { externalId: '00u-ada', displayName: 'Ada L.', emails, name }))
  grace = await made('globex', userBody('grace.hopper', { externalId: 'x-9' }))
  await opened.instance.connections.flush()
})
afterAll(() => opened.close())

/** A page as it is read, from its heading on. */
const words = (text: string): string =>
  text
    .replace(/^[\s\S]*<main/, '<main')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ')
const find = async (q: string, visitor = admin) =>
  (await visitor.get(`/find?${new URLSearchParams({ q })}`)).text.replace(/^[\s\S]*<main/, '')

describe('one box finds', () => {
  test.each([
    ['a tenant by a part of its name', 'LOBEX', `/console${GLOBEX}"`],
    ['a tenant by its key', 'acme', `/console${ACME}"`],
    ['an API key by a part of its name', 'okta of', '/api-keys/'],
  ])('%s', async (_, q, link) => {
    expect(await find(q)).toContain(link)
  })

  test('a tenant by its id, and an API key by its id', async () => {
    const { id } = await opened.admin<{ id: string }>('GET', GLOBEX)
    expect(await find(id)).toContain(`/console${GLOBEX}"`)
    expect(await find(scimKey.id)).toContain('the Okta of all')
  })

  test('a person in whichever tenant, by the whole of id, userName, e-mail address or externalId', async () => {
    for (const q of [ada, 'ADA', 'ada@HOME.example', '00u-ada']) {
      const page = await find(q)
      expect(page, q).toContain(`/users/${ada}"`)
      expect(page, q).not.toContain(grace)
    }
    expect(await find('grace.hopper')).toContain(`/users/${grace}"`)
    expect(await find('00U-ADA')).not.toContain(`/users/${ada}"`)
  })

  test('nothing beyond what the key of the session reaches', async () => {
    const narrow = await opened.signIn((await opened.keyFor(ACME, ['admin', 'directory:read'])).key)
    expect(await find('ada', narrow)).toContain(`/users/${ada}"`)
    for (const q of ['grace.hopper', grace, 'x-9', 'globex', scimKey.id, 'okta of']) {
      const page = await find(q, narrow)
      expect(page, q).not.toMatch(/globex corp|\/api-keys\/|\/users\//)
      expect(words(page), q).toContain('Nothing that this key may see')
    }
    const without = await opened.signIn((await opened.keyFor(PROD, ['admin'])).key)
    const page = await find('ada', without)
    expect(page).not.toContain(`/users/${ada}"`)
    expect(page).toContain('directory:read')
  })

  test('what is no pattern: signs of SQL and JSON are text', async () => {
    for (const q of ['%', '_', "'; drop table tenants; --", '{"emails":[]}', '\\', '"'])
      expect(await find(q), q).not.toMatch(/\/tenants\/|\/users\//)
  })
})

describe('the tenants of an environment are a table', () => {
  const TABLE = /aria-label="Tenants"[\s\S]*?<tbody>([\s\S]*?)<\/tbody>/
  const rows = async (query: Record<string, string>) => {
    const { text } = await admin.get(`${PROD}?${new URLSearchParams(query)}`)
    const body = TABLE.exec(text)?.[1] ?? ''
    return [...body.matchAll(/<tr>([\s\S]*?)<\/tr>/g)].map(([, row = '']) => words(row).trim())
  }
  const keys = async (query: Record<string, string>) =>
    (await rows(query)).map((row) => /^(acme|globex|default)/.exec(row)?.[1])

  beforeAll(async () => {
    // One more user, and requests that are refused.
    await made('globex', userBody('second'))
    for (let i = 0; i < 3; i++) await scim('globex')('POST', '/Users', { schemas: [] }, { 'User-Agent': 'curl/8' })
    await opened.instance.connections.flush()
  })

  test('with the identity provider, the last request, what was refused today, and users', async () => {
    const all = await rows({})
    expect(all.find((row) => row.startsWith('acme'))).toMatch(/^acme corp acme Okta just now 0 1$/)
    expect(all.find((row) => row.startsWith('globex'))).toMatch(/^globex corp globex curl just now 3 of 5 2$/)
    expect(all.find((row) => row.startsWith('default'))).toMatch(/^default never 0 0$/)
  })

  test('a look-up of what is not there is no failure', async () => {
    const before = (await rows({ q: 'acme' }))[0]
    await scim('acme')('GET', '/Users/00000000-0000-4000-8000-000000000000', undefined, OKTA)
    await opened.instance.connections.flush()
    expect((await rows({ q: 'acme' }))[0]).toBe(before)
  })

  test('sorted by each of them, from either end', async () => {
    expect(await keys({})).toEqual(['acme', 'default', 'globex'])
    expect(await keys({ backwards: 'true' })).toEqual(['globex', 'default', 'acme'])
    expect((await keys({ sort: 'lastRequest', backwards: 'true' }))[0]).toBe('default')
    expect((await keys({ sort: 'failures' }))[0]).toBe('globex')
    expect(await keys({ sort: 'users' })).toEqual(['globex', 'acme', 'default'])
  })

  test('filtered by name, identity provider, and what needs a look', async () => {
    expect(await keys({ q: 'OBE' })).toEqual(['globex'])
    expect(await keys({ provider: 'okta' })).toEqual(['acme'])
    expect(await keys({ provider: 'unknown' })).toEqual(['globex'])
    expect(await keys({ provider: 'entra' })).toEqual([])
    expect(await keys({ look: 'true' })).toEqual([])
    await opened.keyFor(ACME, ['scim:read'], { expiresAt: new Date(Date.now() + 86_400_000).toISOString() })
    expect(await keys({ look: 'true' })).toEqual(['acme'])
    expect((await rows({ look: 'true' }))[0]).toContain('key expires')
  })

  test('page by page in each order, each tenant once', async () => {
    for (let i = 0; i < 60; i++) await opened.admin('POST', `${PROD}/tenants`, { key: `t-${i}`, name: `T ${i % 7}` })
    for (const query of ['', 'sort=lastRequest', 'sort=failures', 'sort=users&backwards=true', 'backwards=true']) {
      const seen: string[] = []
      for (let path: string | undefined = `${PROD}?${query}`; path !== undefined; ) {
        const { text }: { text: string } = await admin.get(path)
        seen.push(
          ...[...(TABLE.exec(text)?.[1] ?? '').matchAll(/<td class="long"><a href="[^"]*\/tenants\/([^"]+)"/g)].map(
            ([, key = '']) => key,
          ),
        )
        path = /href="\/console([^"]+)" rel="next"/.exec(text)?.[1]?.replaceAll('&amp;', '&')
      }
      expect([query, seen.length, new Set(seen).size]).toEqual([query, 63, 63])
    }
  })

  test('a key that is taken leaves the form as it was filled in', async () => {
    const { status, text } = await admin.post(`${PROD}/tenants`, { key: 'acme', name: 'Another <one>' })
    expect(status).toBe(409)
    expect(text).toContain('value="Another &lt;one&gt;"')
    expect(text).toMatch(/role="alert"[\s\S]*is taken/)
  })
})

describe('people are found', () => {
  const people = async (query: Record<string, string>, page = 'people') =>
    (await admin.get(`${ACME}/${page}?${new URLSearchParams(query)}`)).text

  test.each(['LACE', 'gusta', 'home.ex', '0u-AD', 'a L.', 'ada'])(
    'by a part of a name or an address: %s',
    async (q) => {
      expect(await people({ q })).toContain(`/users/${ada}"`)
    },
  )

  test.each(['emails', 'familyName', 'home', '%', '"', 'type'])('not by what is no part of one: %s', async (q) => {
    const page = await people({ q })
    expect(page.includes(`/users/${ada}"`)).toBe(q === 'home')
  })

  test('who was deleted too, and by whom, and their events', async () => {
    const gone = await made('acme', userBody('turing', { name: { familyName: 'Ætheling' }, externalId: 'gone-1' }))
    await scim('acme')('DELETE', `/Users/${gone}`)
    for (const q of ['URIN', 'ætheL', 'gone', gone]) {
      const page = await people({ q }, 'people/deleted')
      expect(page, q).toContain(`/events?person=${gone}"`)
      expect(page, q).toContain('the Okta of all')
    }
    expect(await people({ q: 'ada' }, 'people/deleted')).toContain('No match')
    for (const person of [gone, 'turing', 'Turing']) {
      const events = words(await people({ person }, 'events'))
      expect(events, person).toMatch(/turing was deleted .* turing was created/)
      expect(events, person).not.toContain('Ada L.')
    }
    expect(words(await people({ person: 'nobody' }, 'events'))).toContain('Nobody here')
  })

  test('events by type, person and time; members and actors by name', async () => {
    await scim('acme')('POST', '/Groups', groupBody('Analysts', [ada]), OKTA)
    const events = async (query: Record<string, string>) =>
      words(await people(query, 'events')).replace(/^.*?Show /, '')
    expect(await events({ type: 'group' })).toMatch(
      /Group Analysts got Ada L\. .* by the Okta of all .*Group Analysts was created/,
    )
    expect(await events({ type: 'user.created' })).not.toContain('Analysts')
    expect(await events({ person: 'ada' })).toMatch(/Group Analysts got Ada L\. .*Ada L\. was created/)
    expect(await events({ person: 'ada' })).not.toContain('Group Analysts was created')
    const hour = (ahead: number) => new Date(Date.now() + ahead * 3_600_000).toISOString().slice(0, 16)
    expect(await events({ since: hour(-1), until: hour(1) })).toContain('Analysts')
    expect(await events({ since: hour(1) })).toContain('Nothing is kept here')
    expect(await events({ until: hour(-1) })).toContain('Nothing is kept here')
    expect((await admin.get(`${ACME}/events?since=tomorrow`)).status).toBe(400)
  })
})

test('events by time begin and end where the time says, wherever that is in the log', async () => {
  const { id } = await opened.admin<{ id: string }>('GET', GLOBEX)
  for (let i = 0; i < 9; i++) await made('globex', userBody(`timed-${i}`))
  await admin.get(`${GLOBEX}/events`)
  await opened.database.run(
    `update events e set occurred_at = ('2026-01-01T00:00:00'::timestamp + p.position * interval '1 hour') at time zone 'UTC'
     from event_positions p where p.tenant_id = e.tenant_id and p.seq = e.seq and e.tenant_id = $1::uuid`,
    [id],
  )
  const at = (hour: number) => new Date(Date.UTC(2026, 0, 1, hour)).toISOString().slice(0, 16)
  const positions = async (since: number, until: number) => {
    const { text } = await admin.get(`${GLOBEX}/events?since=${at(since)}&until=${at(until)}`)
    return [...text.matchAll(/position (\d+)/g)].map(([, position]) => Number(position))
  }
  const last = (await positions(0, 1_000))[0] ?? 0
  expect(last).toBeGreaterThan(8)
  for (let since = 1; since <= last; since++)
    expect(await positions(since, since + 1)).toEqual([since + 1, since].filter((position) => position <= last))
  expect(await positions(last + 1, last + 5)).toEqual([])
})

test('a new tenant begins with what is left to do, until its first user is there', async () => {
  await opened.admin('POST', `${PROD}/tenants`, { key: 'fresh', name: 'Fresh Inc.' })
  const fresh = `${PROD}/tenants/fresh`
  const steps = async () => words((await admin.get(fresh)).text)
  expect(await steps()).toMatch(/done An API key .* to do The base URL .* to do The first user .* to do A webhook/)
  await scim('fresh')('GET', '/Users?count=1', undefined, OKTA)
  await opened.instance.connections.flush()
  expect(await steps()).toMatch(/done The base URL and the key .* The first request came just now , from Okta\./)
  await made('fresh', userBody('first'))
  expect(await steps()).not.toContain('Until the first user arrives')
})

test('a held leaver says so on his page and in his history', async () => {
  const leaverBrake = { mode: 'hold', count: 1, windowMinutes: 60, releaseAfterHours: 24 }
  await opened.admin('POST', `${PROD}/tenants`, { key: 'careful', settings: { leaverBrake } })
  const careful = `${PROD}/tenants/careful`
  const [one, two] = [await made('careful', userBody('first.leaver')), await made('careful', userBody('second.leaver'))]
  const deactivate = patchBody({ op: 'replace', path: 'active', value: false })
  for (const id of [one, two]) await scim('careful')('PATCH', `/Users/${id}`, deactivate)
  const pages = [
    words((await admin.get(`${careful}/users/${one}`)).text),
    words((await admin.get(`${careful}/users/${two}`)).text),
  ]
  for (const page of pages) {
    expect(page).toMatch(/deactivated held by the leaver brake .* The leaver brake holds what happened to this person/)
    expect(page).toMatch(
      /was deactivated held by the leaver brake just now · user\.deactivated · the application was not told/,
    )
  }
})
