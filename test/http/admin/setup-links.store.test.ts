import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAdminApi, type TestAdminApi } from '../../support/admin-api.ts'

const E = '/projects/acme/environments/prod'
const T = `${E}/tenants/globex`
const LINKS = `${T}/setup-links`
const DAY_MS = 86_400_000

interface Link {
  id: string
  name: string
  url?: string
  expiresAt: string
  revokedAt: string | null
  identityProvider: string | null
  madeBy: string
}

let api: TestAdminApi
beforeAll(async () => {
  api = await openAdminApi()
  await api.send('POST', '/projects', { key: 'acme' })
  await api.send('POST', '/projects/acme/environments', { key: 'prod' })
  await api.send('POST', `${E}/tenants`, { key: 'globex' })
})
afterAll(() => api.close())

const inDays = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString()

test('SEC-07 a link is shown once, and ends in a week unless it is said otherwise', async () => {
  const { status, headers, body } = await api.send<Link>('POST', LINKS, { name: 'IT of Globex' })
  expect(status).toBe(201)
  expect(headers.get('Cache-Control')).toBe('no-store')
  expect(headers.get('Location')).toBe(`/api/v1${LINKS}/${body.id}`)
  expect(body.url).toMatch(new RegExp(`^http://scim\\.test/setup/enter/rsl_${body.id}_[0-9A-Za-z]{38}$`))
  expect(body).toMatchObject({ madeBy: 'admin', maxVisitors: 10, visitors: 0, lastVisitAt: null, revokedAt: null })
  expect(body.expiresAt.slice(0, 13)).toBe(inDays(7).slice(0, 13))
  const { url, ...kept } = body
  expect((await api.send('GET', `${LINKS}/${body.id}`)).body).toEqual(kept)
  expect(JSON.stringify((await api.send('GET', LINKS)).body)).not.toContain(url?.slice(-38))
})

test('a link says whose steps are shown first, for how long and for how many', async () => {
  const wish = { name: 'x', identityProvider: 'entra', expiresAt: inDays(80), maxVisitors: 1 }
  expect((await api.send('POST', LINKS, wish)).body).toMatchObject(wish)
  for (const [wrong, path] of [
    [{ expiresAt: inDays(91) }, 'expiresAt'],
    [{ expiresAt: inDays(-1) }, 'expiresAt'],
    [{ maxVisitors: 0 }, 'maxVisitors'],
    [{ maxVisitors: 1_001 }, 'maxVisitors'],
    [{ identityProvider: 'nobody' }, 'identityProvider'],
    [{ name: '' }, 'name'],
  ] as const) {
    const { status, body } = await api.send<{ errors: { path: string }[] }>('POST', LINKS, { name: 'x', ...wrong })
    expect([status, body.errors.map((one) => one.path)]).toEqual([400, [path]])
  }
})

test('links are listed page by page, revoked ones too', async () => {
  const before = (await api.send<{ items: Link[] }>('GET', `${LINKS}?limit=200`)).body.items
  const made = (await api.send<Link>('POST', LINKS, { name: 'y' })).body
  expect((await api.send('DELETE', `${LINKS}/${made.id}`)).status).toBe(204)
  expect((await api.send('DELETE', `${LINKS}/${made.id}`)).status).toBe(204)
  const seen: Link[] = []
  type Page = { items: Link[]; next: string | null }
  for (let next: string | null = ''; next !== null; ) {
    const query: string = next === '' ? '?limit=1' : `?limit=1&after=${next}`
    const page: Page = (await api.send<Page>('GET', LINKS + query)).body
    seen.push(...page.items)
    next = page.next
  }
  expect(seen.map(({ id }) => id).sort()).toEqual([...before.map(({ id }) => id), made.id].sort())
  expect(seen.find(({ id }) => id === made.id)?.revokedAt).not.toBeNull()
})

test('a repeated request with an Idempotency-Key makes no second link, and shows none', async () => {
  const headers = { 'Idempotency-Key': 'one link' }
  const [first, second] = [
    await api.send<Link>('POST', LINKS, { name: 'z' }, undefined, headers),
    await api.send<{ detail: string }>('POST', LINKS, { name: 'z' }, undefined, headers),
  ]
  expect([first.status, second.status]).toEqual([201, 409])
  expect(second.body.detail).toContain(first.body.id)
  const { items } = (await api.send<{ items: Link[] }>('GET', `${LINKS}?limit=200`)).body
  expect(items.filter(({ name }) => name === 'z')).toHaveLength(1)
})

describe('what ended long ago', () => {
  test('goes when another link is made, and what ended lately stays', async () => {
    const [old, late] = [
      (await api.send<Link>('POST', LINKS, { name: 'old' })).body,
      (await api.send<Link>('POST', LINKS, { name: 'late' })).body,
    ]
    const end = (id: string, days: number) =>
      api.database.run(
        `update setup_links set expires_at = now() - make_interval(days => $2::int) where id = $1::text`,
        [...[id, days]],
      )
    await end(old.id, 91)
    await end(late.id, 89)
    await api.send('POST', LINKS, { name: 'new' })
    expect((await api.send('GET', `${LINKS}/${old.id}`)).status).toBe(404)
    expect((await api.send('GET', `${LINKS}/${late.id}`)).status).toBe(200)
  })

  test('a tenant has a hundred links that can be used, and no more', async () => {
    await api.send('POST', `${E}/tenants`, { key: 'many' })
    const many = `${E}/tenants/many/setup-links`
    for (let i = 0; i < 100; i++) expect((await api.send('POST', many, { name: `${i}` })).status).toBe(201)
    expect((await api.send('POST', many, { name: 'one more' })).status).toBe(409)
    const { items } = (await api.send<{ items: Link[] }>('GET', many)).body
    await api.send('DELETE', `${many}/${items[0]?.id}`)
    expect((await api.send('POST', many, { name: 'one more' })).status).toBe(201)
  })
})
