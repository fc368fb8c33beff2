import { afterAll, beforeAll, expect, test } from 'vitest'
import { HistoryWorker } from '../../../src/history/history-worker.ts'
import { ACME, ADMIN_KEY, openConsole, PROD, type TestConsole, type Visitor } from '../../support/console.ts'
import { groupBody, idIn, ORIGIN, patchBody, userBody } from '../../support/instances.ts'

let opened: TestConsole
let admin: Visitor
beforeAll(async () => {
  opened = await openConsole()
  admin = await opened.signIn(ADMIN_KEY)
})
afterAll(() => opened.close())

test('the console shows who was there on a day, and which access a person had and by which requests', async () => {
  const { key } = await opened.keyFor(PROD, ['scim:read', 'scim:write'])
  const scim = opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })
  expect(words((await admin.get(`${ACME}/history`)).text)).toMatch(/Nothing is kept beyond the log of events/)
  await opened.admin('PATCH', ACME, { settings: { history: true } })
  expect(words((await admin.get(`${ACME}/history`)).text)).toMatch(/The starting picture is being taken/)
  const worker = new HistoryWorker(opened.database, (error) => {
    throw error
  })
  while (await worker.round());

  const ada = idIn(await scim('POST', '/Users', userBody('ada<b>')))
  const added = await scim('POST', '/Groups', groupBody('Staff', [ada]))
  await scim('PATCH', `/Users/${ada}`, patchBody({ op: 'replace', path: 'active', value: false }))
  const today = new Date().toISOString().slice(0, 10)
  const { text } = await admin.get(`${ACME}/history?on=${today}`)
  expect(words(text)).toMatch(/ada&lt;b&gt; deactivated just now/)
  expect(text).toContain(`href="/console${ACME}/history/users/${ada}"`)
  expect(words((await admin.get(`${ACME}/history?on=2020-01-01`)).text)).toMatch(/The history begins from/)
  const person = words((await admin.get(`${ACME}/history/users/${ada}`)).text)
  expect(person).toMatch(/active just now.* deactivated just now.* still/)
  expect(person).toContain(`Staff group just now , test ${added.headers.get('x-request-id')} still`)
  // From the page of the person too, also once the person is gone.
  expect((await admin.get(`${ACME}/users/${ada}`)).text).toContain(`/history/users/${ada}`)
  await scim('DELETE', `/Users/${ada}`)
  expect((await admin.get(`${ACME}/history/users/${ada}`)).status).toBe(200)
  expect((await admin.get(`${ACME}/history/users/${ada.replace(/^./, 'f')}`)).status).toBe(404)
  expect((await admin.get(`${ACME}/history/export?quarter=2020-Q1`)).status).toBe(409)
})

/** A page as it is read. */
const words = (text: string): string =>
  text
    .replace(/<style>[\s\S]*<\/style>/, '')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ')
