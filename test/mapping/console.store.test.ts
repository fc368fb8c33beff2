import { afterAll, beforeAll, expect, test } from 'vitest'
import { ACME, ADMIN_KEY, openConsole, PROD, type TestConsole, type Visitor } from '../support/console.ts'
import { ORIGIN, userBody } from '../support/instances.ts'

let opened: TestConsole
let admin: Visitor
beforeAll(async () => {
  opened = await openConsole()
  admin = await opened.signIn(ADMIN_KEY)
  const { key } = await opened.keyFor(ACME, ['scim:write'])
  const scim = opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })
  expect((await scim('POST', '/Users', userBody('ada'))).status).toBe(201)
})
afterAll(() => opened.close())

test.each([ACME, PROD])('the page of %s previews a mapping, saves it and takes it back', async (place) => {
  const page = `${place}/mapping`
  const mapping = { login: { upper: 'userName' } }
  expect((await admin.get(page)).text).toContain('emails[type eq')
  const preview = await admin.post(page, { step: 'preview', mapping: JSON.stringify(mapping) })
  expect([preview.status, preview.text]).toEqual([200, expect.stringContaining('For whom something changes')])
  expect(await opened.admin('GET', page)).toEqual({ mapping: {}, own: false })
  expect((await admin.post(page, { step: 'save', mapping: JSON.stringify(mapping) })).status).toBe(303)
  expect(await opened.admin('GET', page)).toEqual({ mapping, own: true })
  const back = await admin.post(page, { step: 'preview' })
  expect([back.status, back.text]).toEqual([200, expect.stringContaining('users have no mapped values')])
  expect((await admin.post(page, { step: 'save' })).status).toBe(303)
  expect(await opened.admin('GET', page)).toEqual({ mapping: {}, own: false })
})

test('a mapping that is refused says what is wrong, and what is no JSON too', async () => {
  const page = `${ACME}/mapping`
  const bad = await admin.post(page, { step: 'preview', mapping: '{"login": "nope"}' })
  expect([bad.status, bad.text.includes('is no attribute of a user')]).toEqual([400, true])
  const none = await admin.post(page, { step: 'save', mapping: '{' })
  expect([none.status, none.text.includes('is no JSON')]).toEqual([400, true])
})
