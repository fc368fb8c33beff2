import { afterAll, beforeAll, expect, test } from 'vitest'
import { ACME, ADMIN_KEY, openConsole, PROD, type TestConsole, type Visitor } from '../../support/console.ts'
import { ORIGIN, userBody } from '../../support/instances.ts'

let opened: TestConsole
let admin: Visitor
beforeAll(async () => {
  opened = await openConsole()
  admin = await opened.signIn(ADMIN_KEY)
})
afterAll(() => opened.close())

interface AuditRecord {
  readonly action: string
  readonly actor: string
  readonly target: { name: string }
}
const lastEntry = async (): Promise<AuditRecord | undefined> =>
  (await opened.admin<{ items: AuditRecord[] }>('GET', '/audit-log?limit=1')).items[0]
const FORM_ID = /name="form-id" value="([^"]+)"/
const locationOf = (answer: { headers: Headers }) => answer.headers.get('Location')?.replace('/console', '') ?? ''

test.each([
  ['a tenant', ACME, 'tenant.changed'],
  ['an environment', PROD, 'environment.changed'],
])('%s is paused and resumed, and the trail names the key of the session', async (_, path, action) => {
  const { id, key } = await opened.keyFor(PROD, ['admin'])
  const visitor = await opened.signIn(key)
  for (const paused of [true, false]) {
    const answer = await visitor.post(`${path}/pause`, { paused: String(paused) })
    expect(answer.status).toBe(303)
    expect((await visitor.get(locationOf(answer))).text).toContain(paused ? 'Paused:' : 'Resumed:')
    expect((await opened.admin('GET', path)).paused).toBe(paused)
    expect(await lastEntry()).toMatchObject({ action, actor: id })
  }
})

test('a tenant is made; a key that is taken or none is refused in words', async () => {
  const answer = await admin.post(`${PROD}/tenants`, { key: 'initech', name: 'Initech Inc.' })
  expect(locationOf(answer)).toBe(`${PROD}/tenants/initech?done=tenant-made`)
  expect(await opened.admin('GET', `${PROD}/tenants/initech`)).toMatchObject({ name: 'Initech Inc.' })
  const taken = await admin.post(`${PROD}/tenants`, { key: 'Initech' })
  expect([taken.status, taken.text.includes('is taken')]).toEqual([409, true])
  const none = await admin.post(`${PROD}/tenants`, { key: '../x', name: '' })
  expect([none.status, none.text.includes('<code>key</code> must be 1 to 64')]).toEqual([400, true])
  const narrow = await opened.signIn((await opened.keyFor(ACME, ['admin'])).key)
  expect((await narrow.post(`${PROD}/tenants`, { key: 'mine' })).status).toBe(403)
})

test('a set-up link is made and shown once, opens the portal, and is revoked', async () => {
  const form = { name: 'IT of Acme', identityProvider: 'okta', expiresInDays: '30', maxVisitors: '3' }
  const page = await admin.get(`${ACME}/setup-links`)
  const sent = { ...form, 'form-id': FORM_ID.exec(page.text)?.[1] ?? '' }
  const answer = await admin.post(`${ACME}/setup-links`, sent)
  const [url = '', id = ''] =
    /http:\/\/scim\.test\/setup\/enter\/rsl_([0-9A-Za-z]{12})_[0-9A-Za-z]{38}/.exec(answer.text) ?? []
  expect(answer.headers.get('Cache-Control')).toBe('no-store')
  expect(await opened.admin('GET', `${ACME}/setup-links/${id}`)).toMatchObject({
    ...{ name: 'IT of Acme', identityProvider: 'okta', maxVisitors: 3 },
    expiresAt: expect.stringMatching(new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10)),
  })
  const again = await admin.post(`${ACME}/setup-links`, sent)
  expect([again.status, locationOf(again)]).toEqual([303, `${ACME}/setup-links/${id}?done=shown-before`])
  const list = locationOf(await admin.get(`${ACME}/setup-links/${id}`))
  expect((await admin.get(list)).text).not.toContain(url.slice(-38))
  expect((await opened.instance.send(new Request(url))).status).toBe(303)
  expect(locationOf(await admin.post(`${ACME}/setup-links/${id}/revoke`))).toBe(`${ACME}/setup-links?done=link-revoked`)
  expect((await opened.instance.send(new Request(url))).status).toBe(410)
  expect(await lastEntry()).toMatchObject({ action: 'setup_link.revoked', actor: 'admin' })
})

test('a key is made and shown once', async () => {
  const form = { name: 'acme Okta', permissions: ['scim:read', 'scim:write'], expiresInDays: '30' }
  const answer = await admin.post(`${ACME}/api-keys`, form)
  const [key = ''] = /rck_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}/.exec(answer.text) ?? []
  expect(answer.headers.get('Cache-Control')).toBe('no-store')
  const scim = opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })
  expect((await scim('POST', '/Users', userBody('ada'))).status).toBe(201)
  const id = key.split('_')[1] ?? ''
  expect(await opened.admin('GET', `${ACME}/api-keys/${id}`)).toMatchObject({
    ...{ name: 'acme Okta', permissions: ['scim:read', 'scim:write'] },
    expiresAt: expect.stringMatching(new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10)),
  })
  expect(await lastEntry()).toMatchObject({ action: 'api_key.created', actor: 'admin' })
  const secret = key.slice(-38)
  for (const path of [ACME, `${ACME}/connection`, `${ACME}/api-keys`, `${ACME}/api-keys/${id}`, `${ACME}/audit-log`])
    expect((await admin.get(path)).text, path).not.toContain(secret)
})

test.each([
  ['makes no second key', async () => ACME, { name: 'reloaded', permissions: 'scim:read' }, '/api-keys'],
  [
    'rotates no second time',
    async () => `${ACME}/api-keys/${(await opened.keyFor(ACME, ['scim:read'])).id}`,
    { old: 'now' },
    '/rotate',
  ],
])('who reloads the page with a new secret %s, and sees no secret', async (_, place, fields, below) => {
  const where = await place()
  const at = `${where}${below}`
  const [, id = ''] = FORM_ID.exec((await admin.get(below === '/api-keys' ? `${where}/connection` : where)).text) ?? []
  const first = await admin.post(at, { ...fields, 'form-id': id })
  const [key = ''] = /rck_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}/.exec(first.text) ?? []
  const entries = (await opened.admin<{ items: unknown[] }>('GET', '/audit-log')).items
  const again = await admin.post(at, { ...fields, 'form-id': id })
  expect(locationOf(again)).toBe(`${ACME}/api-keys/${key.split('_')[1]}?done=shown-before`)
  const page = (await admin.get(locationOf(again))).text
  expect([page.includes('This form was sent before'), page.includes(key.slice(-38))]).toEqual([true, false])
  expect((await opened.admin<{ items: unknown[] }>('GET', '/audit-log')).items).toEqual(entries)
  // The same filled in anew is another one.
  expect((await admin.post(at, fields)).text).toContain('rck_')
})

test('SEC-10 a key is told to trust an issuer, shows so, and stops; a narrower session cannot', async () => {
  const { id } = await opened.keyFor(ACME, ['scim:read', 'scim:write'])
  const page = `${ACME}/api-keys/${id}`
  const form = {
    ...{ issuer: 'https://idp.example/v2.0', jwksUri: 'https://idp.example/keys', subject: 'workload' },
    ...{ audiences: 'api://a\r\n api://b \r\n', algorithms: 'RS256' },
  }
  const added = await admin.post(`${page}/trusts`, form)
  expect(added.status, added.text).toBe(303)
  expect(locationOf(added)).toBe(`${page}?done=trust-added`)
  const { trusts } = await opened.admin<{ trusts: { id: string }[] }>('GET', page)
  expect(trusts).toMatchObject([{ subject: 'workload', audiences: ['api://a', 'api://b'], algorithms: ['RS256'] }])
  expect((await admin.get(page)).text).toContain('https://idp.example/v2.0')
  expect(await lastEntry()).toMatchObject({ action: 'api_key.trust_added', actor: 'admin' })
  for (const wrong of [
    { jwksUri: 'https://10.0.0.1/keys' },
    { algorithms: 'HS256' },
    { audiences: ' ' },
    { algorithms: '' },
  ])
    expect((await admin.post(`${page}/trusts`, { ...form, audiences: 'api://c', ...wrong })).status).toBe(400)
  const visitor = await opened.signIn((await opened.keyFor(ACME, ['admin'])).key)
  expect((await visitor.post(`${page}/trusts`, { ...form, audiences: 'api://d' })).status).toBe(403)
  const removed = await admin.post(`${page}/trusts/${trusts[0]?.id}/remove`)
  expect(locationOf(removed)).toBe(`${page}?done=trust-removed`)
  expect(await opened.admin('GET', page)).toMatchObject({ trusts: [] })
})

test('no key wider than the one of the session is made', async () => {
  const visitor = await opened.signIn((await opened.keyFor(ACME, ['admin'])).key)
  expect((await visitor.get(`${ACME}/connection`)).text).not.toContain('value="scim:write"')
  for (const [path, permission] of [
    [ACME, 'scim:write'],
    [ACME, 'directory:read'],
    [PROD, 'admin'],
    ['', 'admin'],
  ]) {
    const answer = await visitor.post(`${path}/api-keys`, { name: 'wide', permissions: permission ?? '' })
    expect([answer.status, answer.text.includes('rck_')]).toEqual([403, false])
  }
  expect((await visitor.post(`${ACME}/api-keys`, { name: 'fit', permissions: 'admin' })).status).toBe(200)
  expect((await visitor.post(`${ACME}/api-keys`, { permissions: 'admin' })).status).toBe(400)
  expect((await visitor.post(`${ACME}/api-keys`, { name: 'odd', permissions: 'root' })).status).toBe(400)
})

test('SEC-07 the page of a new key says that the key of the session ends sooner, or takes it along', async () => {
  const soon = new Date(Date.now() + 40 * 86_400_000).toISOString()
  const { key } = await opened.keyFor(ACME, ['admin', 'scim:read', 'scim:write'], { expiresAt: soon })
  const visitor = await opened.signIn(key)
  const make = (fields: Record<string, string>) => visitor.post(`${ACME}/api-keys`, { name: 'k', ...fields })
  expect((await make({ permissions: 'scim:read' })).text).toContain(`ends sooner, at ${soon}; this one goes on.`)
  expect((await make({ permissions: 'admin' })).text).toContain(`It ends at ${soon}`)
  expect((await make({ permissions: 'admin', expiresInDays: '30' })).text).not.toContain(soon)
  const refused = await make({ permissions: 'scim:read', expiresInDays: '90' })
  expect([refused.status, refused.text.includes(`must not be after ${soon}`)]).toEqual([403, true])
})

test('U+0000 in a form or in an address is refused in words', async () => {
  const made = await admin.post(`${PROD}/tenants`, { key: 'nul', name: 'a\0' })
  const rotated = await admin.post(`${ACME}/api-keys/000000000000/rotate`, { old: 'day\0' })
  for (const answer of [made, rotated, await admin.get(`${ACME}/people?q=%00`)])
    expect([answer.status, answer.text.includes('U+0000')]).toEqual([400, true])
})

test('whether the tokens of a key may make admin keys is shown and changed', async () => {
  const fields = { name: 'k', permissions: 'admin', tokensMayMintAdminKeys: 'true' }
  const made = await admin.post(`${ACME}/api-keys`, fields)
  const [, id = ''] = /rck_([0-9A-Za-z]{12})_/.exec(made.text) ?? []
  const page = `${ACME}/api-keys/${id}`
  const shown = async () => /may( not)? make keys with admin/.exec((await admin.get(page)).text)?.[0]
  expect(await shown()).toBe('may make keys with admin')
  for (const may of [false, true]) {
    expect(locationOf(await admin.post(`${page}/token-rights`, { may: String(may) }))).toBe(`${page}?done=key-changed`)
    expect(await shown()).toBe(may ? 'may make keys with admin' : 'may not make keys with admin')
  }
  expect(await lastEntry()).toMatchObject({ action: 'api_key.changed' })
  const odd = await admin.post(`${ACME}/api-keys`, { ...fields, permissions: 'scim:read' })
  expect([odd.status, odd.text.includes('rck_')]).toEqual([400, false])
})

test('a key is rotated, its rotation ended or undone, and revoked', async () => {
  const { id, key: first } = await opened.keyFor(ACME, ['admin'])
  const page = `${ACME}/api-keys/${id}`
  const rotated = await admin.post(`${page}/rotate`, { old: 'day' })
  const [second = ''] = /rck_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}/.exec(rotated.text) ?? []
  expect(second.split('_')[1]).toBe(id)
  expect((await admin.get(page)).text).toContain('new secret was not used yet')
  expect((await admin.get(page)).text).not.toContain(second.slice(-38))
  await opened.signIn(first)
  expect(locationOf(await admin.post(`${page}/undo-rotation`))).toBe(`${page}?done=rotation-undone`)
  await expect(opened.signIn(second)).rejects.toThrow('401')
  await admin.post(`${page}/rotate`, { old: 'use' })
  await admin.post(`${page}/end-rotation`)
  await expect(opened.signIn(first)).rejects.toThrow('401')
  expect((await admin.post(`${page}/end-rotation`)).status).toBe(409)
  expect(locationOf(await admin.post(`${page}/revoke`))).toBe(`${page}?done=key-revoked`)
  expect((await admin.get(page)).text).not.toContain('>Revoke<')
  expect(await lastEntry()).toMatchObject({ action: 'api_key.revoked', target: { name: 'test' } })
})

test.each(['webhooks', 'streams'])('dead letters of %s are seen, and sent again', async (kind) => {
  const { id } = await opened.admin<{ id: string }>('POST', `${ACME}/${kind}`, {
    ...{ url: `http://127.0.0.1:9/${kind}`, events: ['user.*'] },
    ...(kind === 'streams' ? { method: 'push', audience: 'urn:sessions' } : {}),
  })
  const { key } = await opened.keyFor(ACME, ['scim:write', 'directory:read'])
  const scim = opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })
  await scim('POST', '/Users', userBody(`grace.of.${kind}`))
  await opened.admin('GET', `${ACME}/events`, undefined, key)
  await opened.database.run(
    `update webhook_deliveries set dead = true, attempts = 20, last_status = 503, last_error = '<b>too busy</b>'
     where endpoint_id = $1::uuid`,
    [id],
  )
  await opened.database.run(
    `update webhook_endpoints set enabled = false, disabled_reason = 'Took nothing for 5 days.', failing_since = now()
     where id = $1::uuid`,
    [id],
  )
  const page = `${ACME}/${kind}/${id}`
  expect((await admin.get('')).text).toContain(
    `/${kind}/${id}">http://127.0.0.1:9/${kind}</a> is disabled: Took nothing for 5 days. 1 dead letter.`,
  )
  expect((await admin.get(PROD)).text).toContain(`<span class="badge bad">${kind.slice(0, -1)}</span>`)
  expect((await admin.get(`${ACME}/webhooks`)).text).toContain('1 dead letter')
  const other = kind === 'streams' ? 'webhooks' : 'streams'
  expect((await admin.get(`${ACME}/${other}/${id}`)).status).toBe(404)
  const seen = (await admin.get(page)).text
  expect(seen).toContain('503 &lt;b&gt;too busy&lt;/b&gt;')
  expect(seen).toContain('given up')
  const reader = await opened.signIn((await opened.keyFor(ACME, ['admin'])).key)
  expect((await reader.get(page)).text).not.toMatch(/Enable it again|Send the dead letters again/)
  for (const action of ['enable', 'replay']) expect((await reader.post(`${page}/${action}`)).status).toBe(403)
  expect((await admin.get(page)).text).toContain('Send the dead letters again')
  expect(locationOf(await admin.post(`${page}/enable`))).toBe(`${page}?done=enabled`)
  expect(locationOf(await admin.post(`${page}/replay`, { which: 'dead' }))).toBe(`${page}?done=replayed`)
  expect(await lastEntry()).toMatchObject({ action: `${kind.slice(0, -1)}.replayed`, actor: 'admin' })
  expect((await admin.get(`${page}?state=dead`)).text).toContain('Nothing was given up.')
  expect((await admin.get(`${page}?state=pending`)).text).toContain('user.created')
  const { items } = await opened.admin<{ items: unknown[] }>('GET', `${page}/deliveries?state=pending`)
  expect(items).toHaveLength(1)
})
