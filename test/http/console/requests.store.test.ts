import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ACME, ADMIN_KEY, GLOBEX, openConsole, PROD, type TestConsole } from '../../support/console.ts'
import { ORIGIN, userBody } from '../../support/instances.ts'

let opened: TestConsole
let refused: string
let made: string
let keyId: string
const OF_PROXY = 'Proxy:2026-11-29+77'
beforeAll(async () => {
  opened = await openConsole({ TRUST_PROXY: '127.0.0.0/8' })
  const { id, key } = await opened.keyFor(PROD, ['scim:read', 'scim:write'], { name: 'Okta of acme' })
  keyId = id
  const scim = opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })
  await scim('POST', '/Users', userBody('joan@acme.example', { active: 'True' }))
  await scim('POST', '/Users', userBody('joan@acme.example'))
  await scim('GET', '/Users?filter=userName eq "grace@acme.example"')
  // A request that a proxy has named, as a server gives it.
  const rawHeaders = ['Authorization', `Bearer ${key}`, 'X-Request-Id', OF_PROXY]
  const named = await opened.instance.send(new Request(`${ORIGIN}/scim/v2/shop/prod/v2/acme/Groups`), {
    incoming: { rawHeaders, socket: { remoteAddress: '127.0.0.1' } },
  })
  expect([named.status, named.headers.get('X-Request-Id')]).toEqual([200, OF_PROXY])
  await opened.instance.requestLog.flush()
  const { items } = await opened.admin<{ items: { id: string }[] }>('GET', `${ACME}/requests?status=409`)
  refused = items[0]?.id ?? ''
  const created = await opened.admin<{ items: { id: string }[] }>('GET', `${ACME}/requests?status=201`)
  made = created.items[0]?.id ?? ''
})
afterAll(() => opened.close())

const trail = async () =>
  (await opened.admin<{ items: { action: string }[] }>('GET', `${ACME}/audit-log`)).items.map(({ action }) => action)

describe('the requests of a tenant in the console', () => {
  test('are listed with their key and what was wrong, and found by a form', async () => {
    const admin = await opened.signIn(ADMIN_KEY)
    const all = await admin.get(`${ACME}/requests`)
    expect(all.text).toContain('Okta of acme')
    expect(all.text).toContain('same unique value')
    expect(all.text).not.toMatch(/joan@|grace@/)
    const found = await admin.get(`${ACME}/requests?person=Grace@acme.example`)
    expect(found.text.match(/<td class="long"><a /g)?.length).toBe(1)
    expect(found.text).toContain('GET /Users?filter=')
    expect((await admin.get(`${ACME}/requests?status=nonsense`)).status).toBe(400)
    expect((await admin.get(`${ACME}/requests?live=on`)).headers.get('Refresh')).toBe('3')
    expect(all.headers.get('Refresh')).toBeNull()
  })

  test('one says what was wrong and what to change, and shows people after a form alone, which the trail has', async () => {
    const admin = await opened.signIn(ADMIN_KEY)
    const masked = await admin.get(`${ACME}/requests/${refused}`)
    expect(masked.status).toBe(200)
    expect(masked.text).toContain('same unique value')
    expect(masked.text).not.toContain('joan@')
    expect(await trail()).not.toContain('request.revealed')
    const shown = await admin.post(`${ACME}/requests/${refused}/reveal`)
    expect(shown.text).toContain('joan@acme.example')
    expect(await trail()).toContain('request.revealed')
    expect((await admin.get(`${ACME}/requests/${refused}/reveal`)).status).toBe(404)
  })

  test('a key without requests:reveal has no button, and its form is refused', async () => {
    const { key } = await opened.keyFor(ACME, ['admin'])
    const visitor = await opened.signIn(key)
    expect((await visitor.get(`${ACME}/requests/${refused}`)).text).not.toContain('Reveal people')
    const before = (await trail()).length
    expect((await visitor.post(`${ACME}/requests/${refused}/reveal`)).status).toBe(403)
    expect((await trail()).length).toBe(before)
  })

  test('one is found by its request id in the box of every page, the one that a proxy gave too, where the key reaches', async () => {
    const visitors = {
      all: await opened.signIn(ADMIN_KEY),
      own: await opened.signIn((await opened.keyFor(ACME, ['admin'])).key),
      other: await opened.signIn((await opened.keyFor(GLOBEX, ['admin', 'directory:read'])).key),
    }
    const find = async (q: string, who: keyof typeof visitors) =>
      (await visitors[who].get(`/find?${new URLSearchParams({ q })}`)).text.replace(/^[\s\S]*<main/, '')
    for (const [id, told] of [
      [refused, 'same unique value'],
      [OF_PROXY, 'GET /Groups'],
      [OF_PROXY.toLowerCase(), 'GET /Groups'],
    ] as const) {
      for (const who of ['all', 'own'] as const) {
        const links = [...(await find(id, who)).matchAll(/href="\/console([^"]+\/requests\/[^"]+)"/g)]
        expect(links, `${id} for ${who}`).toHaveLength(1)
        expect((await visitors[who].get(links[0]?.[1] ?? '')).text).toContain(told)
      }
      const page = await find(id, 'other')
      expect(page, id).not.toMatch(/\/requests\/|acme/)
      expect(page, id).toContain('Nothing that this key may see')
    }
    // What a request is about is no request id.
    const { resource } = await opened.admin<{ resource: { id: string } }>('GET', `${ACME}/requests/${made}`)
    for (const about of ['joan@acme.example', resource.id]) expect(await find(about, 'all')).not.toContain('/requests/')
  })

  test('those that were refused are one step away: from the page of their key, and of today from that of the tenant', async () => {
    const admin = await opened.signIn(ADMIN_KEY)
    const { id, key } = await opened.keyFor(ACME, ['scim:read'], { name: 'reads only' })
    await opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })('POST', '/Users', userBody('x'))
    await Promise.all([opened.instance.requestLog.flush(), opened.instance.connections.flush()])
    const linked = async (page: string) => {
      const [, link = ''] = /href="\/console([^"]+\/requests\?[^"]+)"/.exec((await admin.get(page)).text) ?? []
      return (await admin.get(link.replaceAll('&amp;', '&'))).text
    }
    const ofKey = await linked(`${ACME}/api-keys/${id}`)
    expect(ofKey.match(/<td class="long"><a /g)).toHaveLength(1)
    expect(ofKey).toContain('reads only')
    const ofToday = await linked(ACME)
    expect(ofToday).toContain('reads only')
    expect(ofToday).toContain('same unique value')
    expect(ofToday).not.toContain('GET /Groups')
    // A key of a wider place has no log of its own.
    expect((await admin.get(`${PROD}/api-keys/${keyId}`)).text).not.toContain('/requests?')
  })
})
