import { afterAll, beforeAll, expect, test } from 'vitest'
import { ACME, ADMIN_KEY, openConsole, PROD, type TestConsole, type Visitor } from '../../support/console.ts'
import { eraseToTheEnd } from '../../support/erasing.ts'
import { idIn, ORIGIN, userBody } from '../../support/instances.ts'
import { placeId } from '../../support/place-ids.ts'

let opened: TestConsole
let admin: Visitor
let scim: ReturnType<TestConsole['instance']['reach']>
beforeAll(async () => {
  opened = await openConsole()
  admin = await opened.signIn(ADMIN_KEY)
  const { key } = await opened.keyFor(PROD, ['scim:read', 'scim:write'])
  scim = opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })
})
afterAll(() => opened.close())

const finish = async (page: string) => {
  const { id } = await opened.admin<{ id: string }>('GET', ACME)
  await eraseToTheEnd(opened.database, placeId(id), page.split('/').at(-1) ?? '')
}

test('a user is erased on the page of the user, once the userName is typed, and the receipt is shown', async () => {
  const id = idIn(await scim('POST', '/Users', userBody('ada@acme.example', { displayName: 'Ada Byron' })))
  const page = await admin.get(`${ACME}/users/${id}`)
  expect(page.text).toContain('Erase the person')
  const form = { user: id, named: 'ada@acme.example' }
  const refused = await admin.post(`${ACME}/erasures`, { ...form, confirm: 'ada' })
  expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('Nobody was erased')])
  expect((await scim('GET', `/Users/${id}`)).status).toBe(200)
  const begun = await admin.post(`${ACME}/erasures`, { ...form, confirm: 'ada@acme.example', reference: 'DSR-1' })
  expect(begun.status).toBe(303)
  const at = (begun.headers.get('Location') ?? '').replace('/console', '')
  const running = await admin.get(at)
  expect(running.text).toContain('step 1 of 12')
  expect(running.headers.get('Refresh')).toBe('3')
  await finish(at)
  const receipt = await admin.get(at)
  expect(receipt.text).toContain('lose what they say')
  expect(receipt.text).not.toMatch(/ada/i)
  expect(receipt.headers.get('Refresh')).toBeNull()
  expect((await admin.get(`${ACME}/erasures`)).text).toContain('DSR-1')
  expect((await admin.get(`${ACME}/events?person=${id}`)).text).toContain('The person was erased.')
})

test('a user who was deleted is found among the deleted, and somebody who never was one by a name', async () => {
  const id = idIn(await scim('POST', '/Users', userBody('bo@acme.example')))
  await scim('DELETE', `/Users/${id}`)
  await opened.admin('GET', `${ACME}/events`)
  expect((await admin.get(`${ACME}/people/deleted`)).text).toContain(`${ACME}/erasures?user=${id}`)
  expect((await admin.get(`${ACME}/erasures?user=${id}`)).text).toContain(`Type “${id}” to go on`)
  const gone = await admin.post(`${ACME}/erasures`, { user: id, named: id, confirm: id })
  const never = await admin.post(`${ACME}/erasures`, { name: 'cy@acme.example', confirm: 'cy@acme.example' })
  expect([gone.status, never.status]).toEqual([303, 303])
})

test('who may not erase sees receipts, and no form', async () => {
  const id = idIn(await scim('POST', '/Users', userBody('di@acme.example')))
  const { key } = await opened.keyFor(PROD, ['admin', 'directory:read'])
  const other = await opened.signIn(key)
  const list = await other.get(`${ACME}/erasures`)
  expect([list.status, list.text]).toEqual([200, expect.stringContaining('people:erase')])
  expect((await other.get(`${ACME}/users/${id}`)).text).not.toContain('Erase the person')
  const form = { user: id, named: 'di@acme.example', confirm: 'di@acme.example' }
  expect((await other.post(`${ACME}/erasures`, form)).status).toBe(403)
  expect((await scim('GET', `/Users/${id}`)).status).toBe(200)
})
