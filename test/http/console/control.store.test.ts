import { afterAll, beforeAll, expect, test } from 'vitest'
import { ACME, ADMIN_KEY, openConsole, type Page, PROD, type TestConsole, type Visitor } from '../../support/console.ts'
import { ORIGIN, userBody } from '../../support/instances.ts'

let opened: TestConsole
let admin: Visitor
beforeAll(async () => {
  opened = await openConsole({ SECRETS_KEY: 'a-key-of-the-instance-that-no-page-may-show' })
  admin = await opened.signIn(ADMIN_KEY)
  await opened.admin('POST', '/projects/shop/environments', { key: 'staging', name: 'Staging' })
})
afterAll(() => opened.close())

const words = ({ text }: Page): string =>
  text
    .replace(/<style>[\s\S]*<\/style>/, '')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ')
const locationOf = (answer: Page) => answer.headers.get('Location')?.replace('/console', '')
const STAGED = '/projects/shop/environments/staging/tenants/moved-acme'

test('a tenant is moved: the preview tells what it does and changes nothing, and its old base URL is ended', async () => {
  const { key } = await opened.keyFor(ACME, ['scim:read'])
  const list = async () =>
    (await opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/acme`, key })('GET', '/Users')).status
  await opened.admin('PATCH', PROD, { settings: { onDelete: 'deactivate' } })
  const fields = { project: 'shop', environment: 'staging', key: 'moved-acme', keepFormerUrlDays: '7' }
  expect((await admin.get(`${ACME}/move`)).text).toContain('value="prod"')
  const preview = await admin.post(`${ACME}/move`, { ...fields, step: 'preview' })
  expect(words(preview)).toMatch(
    /base URL from before ends in [67] days .*onDelete deactivate remove stays, as its own/,
  )
  expect((await opened.admin('GET', ACME)).key).toBe('acme')
  const narrow = await opened.signIn((await opened.keyFor(PROD, ['admin'])).key)
  expect((await narrow.post(`${ACME}/move`, { ...fields, step: 'move' })).status).toBe(403)
  const moved = await admin.post(`${ACME}/move`, { ...fields, step: 'move' })
  expect(locationOf(moved)).toBe(`${STAGED}?done=moved`)
  expect(await opened.admin('GET', STAGED)).toMatchObject({ key: 'moved-acme', settings: { onDelete: 'deactivate' } })
  expect(words(await admin.get(`${STAGED}/move`))).toContain('/scim/v2/shop/prod/v2/acme')
  expect(await list()).toBe(200)
  const ended = await admin.post(`${STAGED}/former-base-urls/end`)
  expect(locationOf(ended)).toBe(`${STAGED}/move?done=former-ended`)
  expect((await admin.get(`${STAGED}/move`)).text).not.toContain('Base URLs from before')
  expect(await list()).not.toBe(200)
})

test('the sign-in check says what the application is answered, and why', async () => {
  const tenant = `${PROD}/tenants/globex`
  const { key } = await opened.keyFor(tenant, ['scim:read', 'scim:write'])
  const scim = opened.instance.reach({ base: `${ORIGIN}/scim/v2/shop/prod/v2/globex`, key })
  await scim('POST', '/Users', userBody('ada'))
  await scim('POST', '/Users', { ...userBody('gone'), active: false })
  const asked = async (identity: string) => words(await admin.get(`${tenant}/sign-in-check?identity=${identity}`))
  expect(await asked('ADA')).toContain('let in The directory has this person as active.')
  expect(await asked('gone')).toMatch(/not let in This person is deactivated/)
  expect(await asked('nobody')).toMatch(/not let in The directory does not know anybody/)
  const blind = await opened.signIn((await opened.keyFor(tenant, ['admin'])).key)
  expect((await blind.get(`${tenant}/sign-in-check?identity=ada`)).status).toBe(403)
})

test('the configuration is shown to those who reach the whole instance, without a secret', async () => {
  const page = await admin.get('/configuration')
  expect(words(page)).toMatch(/ADMIN_KEY \*\*\* environment/)
  expect(words(page)).toMatch(/engine (pglite|postgres)/)
  for (const secret of [ADMIN_KEY, 'a-key-of-the-instance-that-no-page-may-show'])
    expect(page.text).not.toContain(secret)
  const narrow = await opened.signIn((await opened.keyFor('/projects/shop', ['admin'])).key)
  expect((await narrow.get('/configuration')).status).toBe(403)
  expect((await narrow.get('')).text).not.toContain('/console/configuration')
})
