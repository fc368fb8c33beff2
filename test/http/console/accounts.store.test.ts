import { afterAll, beforeAll, expect, test } from 'vitest'
import { ACME, ADMIN_KEY, openConsole, PROD, type TestConsole, type Visitor } from '../../support/console.ts'
import { idIn, ORIGIN, userBody } from '../../support/instances.ts'

let opened: TestConsole
let admin: Visitor
let ids: string[]
beforeAll(async () => {
  opened = await openConsole()
  admin = await opened.signIn(ADMIN_KEY)
  const { key } = await opened.keyFor(PROD, ['scim:write'])
  const scim = opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })
  const names = ['ada', 'bo', 'cy', 'di'].map((name) => `${name}@acme.example`)
  await opened.admin('POST', `${ACME}/accounts`, {
    accounts: names.map((userName) => ({ id: `of ${userName}`, userName })),
  })
  ids = []
  for (const name of names) ids.push(idIn(await scim('POST', '/Users', userBody(name))))
})
afterAll(() => opened.close())

const lastEntry = async () =>
  (await opened.admin<{ items: { action: string }[] }>('GET', '/audit-log?limit=1')).items[0]?.action
const linkOf = async (account: string) =>
  (await opened.admin(`GET`, `${ACME}/accounts/${encodeURIComponent(account)}`)).user

test('who waits is decided about, one by one and by a rule', async () => {
  const { text } = await admin.get(`${ACME}/accounts`)
  expect(text).toContain('4 users')
  for (const id of ids) expect(text).toContain(`${ACME}/users/${id}`)
  const confirmed = await admin.post(`${ACME}/accounts/decide`, {
    decision: 'confirm',
    user: ids[0] ?? '',
    account: 'of ada@acme.example',
  })
  expect([confirmed.status, await linkOf('of ada@acme.example')]).toEqual([303, ids[0]])
  await admin.post(`${ACME}/accounts/decide`, {
    decision: 'separate',
    user: ids[1] ?? '',
    account: 'of bo@acme.example',
  })
  expect(await lastEntry()).toBe('account_review.separated')
  expect((await admin.get(`${ACME}/accounts`)).text).toContain('2 users')
  await admin.post(`${ACME}/accounts/decide-by-rule`, { decision: 'confirm', by: 'userName', domain: 'acme.example' })
  expect([await linkOf('of cy@acme.example'), await linkOf('of di@acme.example')]).toEqual(ids.slice(2))
  expect((await admin.get(`${ACME}/accounts`)).text).toContain('Nobody waits.')
})

test('drift is shown by its kinds, and told of again', async () => {
  expect((await admin.get(`${ACME}/account-drift`)).text).toContain('of bo@acme.example')
  expect((await admin.get(`${ACME}/account-drift?kind=missing`)).text).toContain(`${ACME}/users/${ids[1]}`)
  const answer = await admin.post(`${ACME}/account-drift/repair`, { kind: 'missing' })
  expect([answer.status, await lastEntry()]).toEqual([303, 'accounts.repaired'])
})

test('domains are added, set and deleted, and those without directory:read see no people', async () => {
  await admin.post(`${ACME}/domains`, { domain: 'ACME.example' })
  expect((await admin.get(`${ACME}/domains`)).text).toContain('_rollcall.acme.example')
  await admin.post(`${ACME}/domains/set`, { domain: 'acme.example' })
  expect((await admin.get(`${ACME}/domains`)).text).toContain('by operator')
  await admin.post(`${ACME}/domains/delete`, { domain: 'acme.example' })
  expect(await lastEntry()).toBe('domain.deleted')
  const visitor = await opened.signIn((await opened.keyFor(ACME, ['admin'])).key)
  for (const page of ['accounts', 'account-drift']) expect((await visitor.get(`${ACME}/${page}`)).status).toBe(403)
  expect((await visitor.get(`${ACME}/domains`)).status).toBe(200)
})
