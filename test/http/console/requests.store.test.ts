import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ACME, ADMIN_KEY, openConsole, PROD, type TestConsole } from '../../support/console.ts'
import { ORIGIN, userBody } from '../../support/instances.ts'

let opened: TestConsole
let refused: string
beforeAll(async () => {
  opened = await openConsole()
  const { key } = await opened.keyFor(PROD, ['scim:read', 'scim:write'], { name: 'Okta of acme' })
  const scim = opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })
  await scim('POST', '/Users', userBody('joan@acme.example', { active: 'True' }))
  await scim('POST', '/Users', userBody('joan@acme.example'))
  await scim('GET', '/Users?filter=userName eq "grace@acme.example"')
  await opened.instance.requestLog.flush()
  const { items } = await opened.admin<{ items: { id: string }[] }>('GET', `${ACME}/requests?status=409`)
  refused = items[0]?.id ?? ''
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
})
