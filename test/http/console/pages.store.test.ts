import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ACME, ADMIN_KEY, GLOBEX, openConsole, PROD, type TestConsole, type Visitor } from '../../support/console.ts'
import type { Scim } from '../../support/gateway.ts'
import { groupBody, idIn, ORIGIN, userBody } from '../../support/instances.ts'

let opened: TestConsole
/** Sees everything. */
let admin: Visitor
let scimKey: string
let user: string
let group: string
let webhook: string
let stream: string
let apiKey: { id: string; key: string }
let request: string

const HOSTILE = `"><script>alert('x')</script><img src=x onerror=alert(1)>`

/** The SCIM of a tenant. */
const scim = (tenant: string): Scim =>
  opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/${tenant}`, key: scimKey })
const made = async (path: string, body: object): Promise<string> => idIn(await scim('acme')('POST', path, body))

beforeAll(async () => {
  opened = await openConsole()
  scimKey = (await opened.keyFor(PROD, ['scim:read', 'scim:write'])).key
  apiKey = await opened.keyFor(ACME, ['scim:read'], {
    name: `okta ${HOSTILE}`,
    expiresAt: new Date(Date.now() + 9.5 * 86_400_000).toISOString(),
  })
  const hook = { url: `http://127.0.0.1:9/hook?x=${encodeURIComponent('<b>')}'"<script>`, description: HOSTILE }
  webhook = (await opened.admin<{ id: string }>('POST', `${ACME}/webhooks`, hook)).id
  const audience = { method: 'poll', audience: HOSTILE, description: HOSTILE }
  stream = (await opened.admin<{ id: string }>('POST', `${ACME}/streams`, audience)).id
  await opened.admin('PUT', `${ACME}/schema-extensions/urn:example:Badge`, {
    ...{
      resourceType: 'User',
      schema: {
        id: 'urn:example:Badge',
        name: HOSTILE,
        description: HOSTILE,
        attributes: [{ name: 'number', type: 'string', multiValued: false }],
      },
    },
  })
  await opened.admin('POST', `${ACME}/setup-links`, { name: HOSTILE })
  const account = { id: HOSTILE, userName: `${HOSTILE}@acme.example`, displayName: HOSTILE }
  await opened.admin('POST', `${ACME}/accounts`, { accounts: [account, { id: `ghost ${HOSTILE}` }] })
  await opened.admin('POST', `${ACME}/domains`, { domain: 'acme.example' })
  const roleRules = [{ group: { pattern: 'Staff *' }, role: 'billing:read' }]
  await opened.admin('PATCH', ACME, { settings: { roleRules } })
  user = await made('/Users', userBody(`${HOSTILE}@acme.example`, { displayName: HOSTILE, externalId: '00u1' }))
  group = await made('/Groups', groupBody(`Staff ${HOSTILE}`, [user]))
  await scim('globex')('POST', '/Users', userBody('secret.person@globex.example'))
  await opened.instance.requestLog.flush()
  const { items } = await opened.admin<{ items: { id: string }[] }>('GET', `${ACME}/requests?person=00u1`)
  request = items[0]?.id ?? ''
  admin = await opened.signIn(ADMIN_KEY)
})
afterAll(() => opened.close())

/** Every page there is. */
const pages = (): string[] => [
  '',
  '/api-keys',
  '/audit-log',
  '/sessions',
  PROD,
  '/projects/shop',
  `${PROD}/settings`,
  `${PROD}/role-rules`,
  `${PROD}/schemas`,
  `${PROD}/api-keys`,
  `${PROD}/audit-log`,
  ACME,
  `${ACME}/people`,
  `${ACME}/groups`,
  `${ACME}/connection`,
  `${ACME}/settings`,
  `${ACME}/role-rules`,
  `${ACME}/catalogue`,
  `${ACME}/mapping`,
  `${ACME}/schemas`,
  `${ACME}/schemas/extensions/urn:example:Badge`,
  `${ACME}/events`,
  `${ACME}/users/${user}`,
  `${ACME}/groups/${group}`,
  `${ACME}/api-keys`,
  `${ACME}/api-keys/${apiKey.id}`,
  `${ACME}/webhooks`,
  `${ACME}/webhooks/${webhook}`,
  `${ACME}/streams/${stream}`,
  `${ACME}/brake/held`,
  `${ACME}/accounts`,
  `${ACME}/account-drift`,
  `${ACME}/account-drift?kind=missing`,
  `${ACME}/domains`,
  `${ACME}/history`,
  `${ACME}/setup-links`,
  `${ACME}/requests`,
  `${ACME}/requests?status=2xx&operation=create&live=on`,
  `${ACME}/requests/${request}`,
  `${ACME}/audit-log`,
  '/projects/shop/audit-log',
]

test('every page is complete in itself, without a script, and its policy says so', async () => {
  const refused = await admin.get('/nowhere')
  const signIn = await opened.request('/sign-in')
  for (const page of [refused, signIn, ...(await Promise.all(pages().map((path) => admin.get(path))))]) {
    expect(page.text).toMatch(/^<!DOCTYPE html>/)
    const style = /<style>([\s\S]*?)<\/style>/.exec(page.text)?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    expect(page.headers.get('Content-Security-Policy')).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
    )
    // What people wrote stands in the values of fields too, between quotes.
    const bare = page.text.replaceAll(/"[^"]*"/g, '""')
    expect(page.text).not.toMatch(/<script|<link|<img|<iframe|@import/i)
    expect(bare).not.toMatch(/<[^>]*\sstyle=|<[^>]*\son[a-z]+=/i)
    expect(page.text).not.toMatch(/(?:src|href|action)="(?!\/console|#)/)
    expect(page.headers.get('Cache-Control')).toBe('no-store')
    expect(page.headers.get('X-Content-Type-Options')).toBe('nosniff')
    expect(page.headers.get('X-Frame-Options')).toBe('DENY')
    expect(page.headers.get('Referrer-Policy')).toBe('same-origin')
  }
  expect(refused.status).toBe(404)
})

test('every link of every page leads to a page', async () => {
  const links = new Set<string>()
  for (const path of pages()) {
    const { status, text } = await admin.get(path)
    expect(status, path).toBe(200)
    for (const [, link = ''] of text.matchAll(/href="\/console([^"]*)"/g)) links.add(link.replaceAll('&amp;', '&'))
  }
  expect(links.size).toBeGreaterThan(20)
  for (const link of links) expect((await admin.get(link)).status, link).toBe(200)
})

test('every heading, field and table has a name, and ids are there once', async () => {
  for (const path of pages()) {
    const { text } = await admin.get(path)
    expect(text.match(/<h1>/g), path).toHaveLength(1)
    expect(text).toContain('<html lang="en">')
    const ids = [...text.matchAll(/\bid="([^"]+)"/g)].map((match) => match[1])
    expect(new Set(ids).size, path).toBe(ids.length)
    const fields = text.match(/<(?:input|select|textarea)(?![^>]*type="hidden")/g)?.length ?? 0
    expect(text.match(/<label/g)?.length ?? 0, path).toBe(fields)
  }
})

test('the page of a tenant tells how far its groups follow changed rules, and is silent once they do', async () => {
  const set = (values: string) => opened.database.run(`update role_rule_work set ${values}`, [])
  expect((await admin.get(ACME)).text).not.toContain('Role rules')
  await set('finished_at = null, groups = 100, groups_done = 40')
  const { text } = await admin.get(ACME)
  expect(text).toContain('Role rules')
  expect(text).toContain('40 of 100 groups follow')
  await set('finished_at = now()')
  expect((await admin.get(ACME)).text).not.toContain('Role rules')
})

test('what clients sent is text and nothing else', async () => {
  for (const path of pages()) {
    const { text } = await admin.get(path)
    expect(text, path).not.toContain('<script')
    expect(text, path).not.toContain('<img')
  }
  for (const path of [`${ACME}/people`, `${ACME}/users/${user}`, `${ACME}/groups/${group}`, `${ACME}/events`, ACME])
    expect((await admin.get(path)).text, path).toContain('&lt;script&gt;alert')
  const sent = encodeURIComponent(HOSTILE)
  for (const path of [`${ACME}/people?q=${sent}&by=email`, `/sign-in?done=${sent}`, `?done=${sent}`, `/${sent}`])
    expect((await admin.get(path)).text).not.toMatch(/<script|<img/)
})

describe('what there is to see', () => {
  test('the overview: places with counts, and what wants a look', async () => {
    const { text } = await admin.get('')
    expect(words(text)).toMatch(/acme corp key expires 1 user · 1 group/)
    expect(words(text)).toMatch(/Needs a look API key okta .* expires in 9 days/)
  })

  test('a tenant: its base URL, keys, settings and where they come from', async () => {
    await opened.admin('PATCH', PROD, { settings: { rootQueries: false } })
    await opened.admin('PATCH', ACME, { settings: { mode: 'strict' } })
    const text = async (part: string) => words((await admin.get(`${ACME}/${part}`)).text)
    const [connection, settings] = [await text('connection'), await text('settings')]
    expect(connection).toContain('http://scim.test/scim/v2/shop/prod/v2/acme')
    expect(settings).toMatch(/mode strict tenant/)
    expect(settings).toMatch(/rootQueries no environment/)
    expect(settings).toMatch(/userSync yes default/)
    expect(connection).toMatch(/scim:read never in 9 days expires soon/)
    await opened.admin('PATCH', ACME, { settings: { mode: null } })
    await opened.admin('PATCH', PROD, { settings: { rootQueries: null } })
    expect(words((await admin.get(`${PROD}/tenants/default/connection`)).text)).toMatch(/shop\/prod\/v2 .*shop\/prod /)
  })

  test('every page of a tenant leads to its parts, and marks the one that it belongs to', async () => {
    const parts = ['', '/people', '/accounts', '/connection', '/requests', '/webhooks', '/settings']
    for (const [page, part] of [
      ...parts.map((name) => [name, name] as const),
      ...[
        ['/events', ''] as const,
        [`/users/${user}`, '/people'] as const,
        ['/history', '/people'] as const,
        ['/groups', '/people'] as const,
      ],
      ...[['/account-drift', '/accounts'] as const, ['/domains', '/accounts'] as const],
      ...[['/api-keys', '/connection'] as const, ['/setup-links', '/connection'] as const],
      [`/streams/${stream}`, '/webhooks'] as const,
    ]) {
      const { text } = await admin.get(`${ACME}${page}`)
      const nav = /<nav class="tabs parts"[\s\S]*?<\/nav>/.exec(text)?.[0] ?? ''
      expect([...nav.matchAll(/href="\/console([^"]+)"/g)].map(([, href]) => href)).toEqual(
        parts.map((name) => `${ACME}${name}`),
      )
      const marked = [...nav.matchAll(/href="\/console([^"]+)" aria-current="(page|true)"/g)].map(([, ...one]) => one)
      expect(marked, page).toEqual([[`${ACME}${part}`, page === part ? 'page' : 'true']])
    }
    expect((await admin.get(PROD)).text).not.toContain('tabs parts')
    const moved = await admin.get(`${ACME}/users?q=ada`)
    expect([moved.status, moved.headers.get('Location')]).toEqual([301, `/console${ACME}/people?q=ada`])
  })

  test.each([
    ['userName', 'GRACE.', ['grace.hopper', 'grace.kelly'], ['ada.lovelace']],
    ['email', 'ada@home.example', ['ada.lovelace'], ['grace.hopper']],
    ['externalId', 'x-2', ['grace.kelly'], ['grace.hopper', 'ada.lovelace']],
  ])('people are found by %s', async (by, q, found, others) => {
    await people()
    const { text } = await admin.get(`${GLOBEX}/people?${new URLSearchParams({ by, q })}`)
    for (const name of found) expect(text).toContain(name)
    for (const name of others) expect(text).not.toContain(name)
  })

  test('long lists come page by page', async () => {
    await Promise.all(Array.from({ length: 55 }, (_, i) => made('/Groups', groupBody(`Team ${i}`))))
    const seen = new Set<string>()
    let path: string | undefined = `${ACME}/groups`
    let count = 0
    for (; path !== undefined; count++) {
      const { text } = await admin.get(path)
      for (const [, name = ''] of text.matchAll(/>(Team \d+)</g)) seen.add(name)
      path = /href="\/console([^"]+)" rel="next"/.exec(text)?.[1]?.replaceAll('&amp;', '&')
    }
    expect([seen.size, count]).toEqual([55, 2])
    const back: number[] = []
    for (let next: string | undefined = `${ACME}/events`; next !== undefined; ) {
      const { text } = await admin.get(next)
      for (const [, position] of text.matchAll(/position (\d+)/g)) back.push(Number(position))
      next = /href="\/console([^"]+)" rel="next"/.exec(text)?.[1]
    }
    expect(back).toEqual(Array.from({ length: back[0] ?? 0 }, (_, i) => (back[0] ?? 0) - i))
  })

  test('events of the tenant itself, of its keys and roles are told in words', async () => {
    const happened = async () => words((await admin.get(`${ACME}/events`)).text)
    await opened.admin('PATCH', ACME, { paused: true })
    await opened.admin('PATCH', ACME, { paused: false })
    await made('/Groups', groupBody('Staff of one', [await made('/Users', userBody('new.hire'))]))
    expect(await happened()).toMatch(/Role billing:read was given to new.hire .* The tenant was resumed/)
    const { id } = await opened.keyFor(ACME, ['scim:read'], { name: 'short-lived' })
    await opened.admin('DELETE', `/api-keys/${id}`)
    expect(await happened()).toMatch(/API key short-lived was revoked .*API key short-lived was created/)
  })

  test('a user: attributes, groups, and what happened to it', async () => {
    const text = words((await admin.get(`${ACME}/users/${user}`)).text)
    expect(text).toMatch(/externalId 00u1/)
    expect(text).toMatch(/Groups Staff/)
    expect(text).toMatch(/Roles billing:read What happened/)
    expect(text).toMatch(/was created .* user.created · position \d+ /)
    expect(text).not.toMatch(/group.created/)
    expect((await admin.get(`${ACME}/users/${group}`)).status).toBe(404)
    expect((await admin.get(`${GLOBEX}/users/${user}`)).status).toBe(404)
  })
})

describe('a key sees what it may, as on the admin API', () => {
  const everything = ['', PROD, ACME, GLOBEX, '/api-keys', `${ACME}/api-keys`, '/audit-log', `${ACME}/audit-log`]
  test.each([
    ['', [200, 200, 200, 200, 200, 200, 200, 200]],
    ['/projects/shop', [200, 200, 200, 200, 403, 200, 403, 200]],
    [PROD, [200, 200, 200, 200, 403, 200, 403, 200]],
    [ACME, [200, 403, 200, 403, 403, 200, 403, 200]],
  ])('one for "%s"', async (path, statuses) => {
    const visitor = await opened.signIn((await opened.keyFor(path, ['admin', 'directory:read'])).key)
    expect(await Promise.all(everything.map(async (page) => (await visitor.get(page)).status))).toEqual(statuses)
    const reaches = path !== ACME
    expect((await visitor.get('')).text.includes('globex')).toBe(reaches)
    const links = [...(await visitor.get('')).text.matchAll(/href="\/console([^"]*)"/g)].map(([, link = '']) => link)
    for (const link of links) expect((await visitor.get(link.replaceAll('&amp;', '&'))).status, link).toBe(200)
  })

  test('one for a tenant sees no other people, wherever it looks', async () => {
    const visitor = await opened.signIn((await opened.keyFor(ACME, ['admin', 'directory:read'])).key)
    const [users, events, pause] = [`${GLOBEX}/people`, `${GLOBEX}/events`, `${GLOBEX}/pause`]
    for (const path of [users, events, pause, `${GLOBEX}/webhooks/${webhook}`, `${GLOBEX}/streams/${stream}`]) {
      const [got, posted] = [await visitor.get(path), await visitor.post(path, { paused: 'true' })]
      expect(got.status).toBeGreaterThanOrEqual(403)
      expect(posted.status).toBeGreaterThanOrEqual(403)
      expect(got.text + posted.text).not.toContain('secret.person')
    }
    expect((await opened.admin('GET', GLOBEX)).paused).toBe(false)
  })

  test('without directory:read it sees no people and no events', async () => {
    const visitor = await opened.signIn((await opened.keyFor(ACME, ['admin'])).key)
    const { status, text } = await visitor.get(ACME)
    expect(status).toBe(200)
    expect(text).not.toContain('00u1')
    expect(text).not.toContain('user.created')
    for (const page of ['people', 'groups', 'events', `users/${user}`, `groups/${group}`]) {
      const answer = await visitor.get(`${ACME}/${page}`)
      expect([answer.status, answer.text.includes('00u1')]).toEqual([403, false])
      expect(answer.text).toContain('directory:read')
    }
  })
})

test('what is not a page, or asked wrongly, is refused by a page that says what to do', async () => {
  for (const [path, status] of [
    ['/projects/nowhere/environments/prod', 404],
    [`${ACME}/users/nobody`, 404],
    [`${ACME}/people?after=x`, 400],
    [`${ACME}/audit-log?after=x`, 400],
    [`${ACME}/events?before=-1`, 400],
    [`${ACME}/webhooks/${webhook}?state=odd`, 400],
    [`${ACME}/api-keys/000000000000`, 404],
  ] as const) {
    const answer = await admin.get(path)
    expect(answer.status, path).toBe(status)
    expect(answer.text).toMatch(/To the overview/)
  }
  expect(opened.instance.errors).toEqual([])
})

let filled: Promise<unknown> | undefined
function people(): Promise<unknown> {
  filled ??= (async () => {
    for (const [i, name] of ['grace.hopper', 'ada.lovelace', 'grace.kelly'].entries())
      await scim('globex')(
        'POST',
        '/Users',
        userBody(`${name}@globex.example`, {
          externalId: `x-${i}`,
          emails: [{ value: `${name.split('.')[0]}@home.example`, type: 'home' }],
        }),
      )
  })()
  return filled
}

/** A page as it is read. */
const words = (text: string): string =>
  text
    .replace(/<style>[\s\S]*<\/style>/, '')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ')
