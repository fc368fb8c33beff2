import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { operate, PROD } from '../support/example.ts'
import { groupBody, patchBody, userBody } from '../support/instances.ts'
import { play, type Scenario } from '../support/traffic.ts'
import { expectAccessible, newPage, openBrowser, signInWithKey } from '../support/visiting.ts'

const example = inject('example')

let browser: Browser
beforeAll(async () => {
  browser = await openBrowser()
})
afterAll(() => browser.close())

let page: Page
beforeEach(async () => {
  page = await newPage(browser)
})
afterEach(() => page.context().close())

const heading = (name: string | RegExp) => page.getByRole('heading', { level: 1, name })
/** A customer of its own for each test, by its key. */
async function newTenant(key: string, settings: object = {}): Promise<string> {
  await operate(example, 'POST', `/api/v1${PROD}/tenants`, { key, name: `Customer ${key}`, settings })
  return `/scim/v2/shop/prod/v2/${key}`
}

/** A recording of what Entra ID sends. */
const recordingOf = (name: string): Scenario =>
  JSON.parse(readFileSync(join(import.meta.dirname, `../fixtures/idp-traffic/entra/${name}.json`), 'utf8'))

test('an operator signs in with an API key and out again', async () => {
  await signInWithKey(page, example.adminKey)
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await heading('Rollcall console').waitFor()
  await page.goto('/console')
  expect(new URL(page.url()).pathname).toBe('/console/sign-in')
})

test('an operator signs in with an issuer, is greeted by name, and signs out of both', async () => {
  await page.goto('/console')
  await page.getByRole('link', { name: /^Sign in with / }).click()
  await page.getByPlaceholder('Enter any login').fill('ada')
  await page.getByPlaceholder('and password').fill('any')
  await page.getByRole('button', { name: 'Sign-in' }).click()
  await page.getByRole('button', { name: 'Continue' }).click()
  // The session's cookie is there although the way here began at the issuer.
  await heading('Overview').waitFor()
  expect(await page.getByRole('banner').textContent()).toContain('Ada Lovelace')
  await page.getByRole('link', { name: 'Audit log' }).click()
  await page
    .getByRole('cell', { name: /^Ada Lovelace <ada@example\.com>$/ })
    .first()
    .waitFor()
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await page.getByRole('button', { name: 'Yes, sign me out' }).click()
  await heading('Rollcall console').waitFor()
})

test('too many leave, the brake holds them, and an operator lets them go', async () => {
  const scim = await newTenant('braking', { leaverBrake: { mode: 'hold', count: 1 } })
  const ids: string[] = []
  for (const name of ['one', 'two', 'three'])
    ids.push((await operate(example, 'POST', `${scim}/Users`, userBody(`${name}@braking.example`))).id)
  for (const id of ids)
    await operate(example, 'PATCH', `${scim}/Users/${id}`, patchBody({ op: 'replace', path: 'active', value: false }))
  await signInWithKey(page, example.adminKey)
  const held = async () => {
    await page.goto(`/console${PROD}/tenants/braking/brake/held`)
    return page.getByText('brake holds').count()
  }
  await expect.poll(held).toBeGreaterThan(0)
  await page.getByText('Release …').click()
  await page.getByLabel('Note').fill('end of the season')
  await page.getByRole('button', { name: 'Release', exact: true }).click()
  await page.getByRole('status').waitFor()
  await expect.poll(held).toBe(0)
})

test('what Entra ID sends is seen: who came, and what happened to whom', async () => {
  const scim = await newTenant('contoso')
  const scenario = recordingOf('full-mapping')
  expect(await play({ ...scenario, cleanup: [] }, example.origin + scim, example.adminKey)).toEqual([])
  const { Resources } = await operate<{ Resources: { userName: string }[] }>(example, 'GET', `${scim}/Users`)
  const [{ userName } = { userName: '' }] = Resources
  expect(userName).not.toBe('')
  await signInWithKey(page, example.adminKey)
  await page.goto(`/console${PROD}/tenants/contoso/users`)
  await page
    .getByRole('link', { name: new RegExp(userName.replaceAll('.', '\\.')) })
    .first()
    .click()
  expect(await page.getByRole('main').textContent()).toContain(userName)
  expect(await page.getByText('user.created').count()).toBeGreaterThan(0)
})

test('a user of Entra ID is refused; the log says why, the setting is mended, and the user arrives', async () => {
  const scim = await newTenant('fabrikam', { maxActiveUsers: 1 })
  const tenant = `/console${PROD}/tenants/fabrikam`
  await operate(example, 'POST', `${scim}/Users`, userBody('first@fabrikam.example'))
  const userName = 'ada@fabrikam.example'
  const recording = recordingOf('user-create-and-query')
  const vars = { ...recording.vars, userName, mail: userName }
  // It looks for the user, and creates it.
  const scenario = { ...recording, vars, steps: recording.steps.slice(0, 2), cleanup: [] }
  const replay = () => play(scenario, example.origin + scim, example.adminKey)
  expect(await replay()).toEqual([expect.stringContaining('"create": status')])

  await signInWithKey(page, example.adminKey)
  const main = page.getByRole('main')
  const refused = main.getByRole('link', { name: /^POST .*\/Users/ })
  const find = async () => {
    await page.goto(`${tenant}/requests`)
    await main.getByLabel('Person').fill(userName)
    await main.getByLabel('Status').selectOption('refused')
    await main.getByRole('button', { name: 'Find' }).click()
    await main.getByRole('link', { name: 'Show all' }).waitFor()
    return refused.count()
  }
  // The log is written behind the requests.
  await expect.poll(find).toBe(1)
  await refused.click()
  expect(await page.getByRole('region', { name: 'What was wrong' }).textContent()).toMatch(/seat|active users/i)

  await page.goto(`${tenant}/settings`)
  await page.getByLabel('maxActiveUsers').fill('unlimited')
  await page.getByRole('button', { name: 'Preview' }).click()
  await heading('Preview').waitFor()
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('status').waitFor()

  await expect.poll(replay).toEqual([])
  await page.goto(`${tenant}/people`)
  await main.getByRole('link', { name: userName }).click()
  expect(await main.textContent()).toContain(userName)
})

test('a key is rotated: the new secret is good at once, and the old one is not', async () => {
  const scim = await newTenant('rotating')
  const keys = `${PROD}/tenants/rotating/api-keys`
  const made = await operate(example, 'POST', `/api/v1${keys}`, { name: 'Okta of Rotating' })
  const statusWith = async (key: string) =>
    (await fetch(`${example.origin}${scim}/Users`, { headers: { Authorization: `Bearer ${key}` } })).status
  expect(await statusWith(made.key)).toBe(200)
  await signInWithKey(page, example.adminKey)
  await page.goto(`/console${keys}/${made.id}`)
  await page.getByText('Rotate …').click()
  await page.getByLabel('The old secret ends').selectOption('at once: it has leaked')
  await page.getByRole('button', { name: 'Rotate', exact: true }).click()
  await page.getByText(/shown this once/).waitFor()
  const secret = (await page.getByRole('main').getByRole('code').first().textContent()) ?? ''
  await expectAccessible(page)
  expect(await statusWith(secret)).toBe(200)
  await expect.poll(() => statusWith(made.key)).toBe(401)
  await page.getByRole('link', { name: /^I have it/ }).click()
  await heading('Okta of Rotating').waitFor()
})

test('a role rule is previewed by who gains what, and saved', async () => {
  const scim = await newTenant('ruling')
  const tenant = `/console${PROD}/tenants/ruling`
  const { id } = await operate(example, 'POST', `${scim}/Users`, userBody('ada@ruling.example'))
  await operate(example, 'POST', `${scim}/Groups`, groupBody('Staff', [id]))
  await signInWithKey(page, example.adminKey)
  await page.goto(`${tenant}/role-rules`)
  const rule = page.getByRole('group', { name: 'New rule' }).first()
  await rule.getByLabel('Name, pattern or id').fill('Staff')
  await rule.getByLabel('give the role').fill('orders:read')
  await page.getByRole('button', { name: 'Preview' }).click()
  await heading('Who gains and loses what').waitFor()
  const people = page.getByRole('figure', { name: 'Who gains and loses roles' })
  const row = people.getByRole('row').filter({ hasText: 'ada@ruling.example' })
  expect(await row.textContent()).toMatch(/gains it.*orders:read/)
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Save the rules' }).click()
  await page.getByRole('status').waitFor()
  const roles = async () => {
    await page.goto(`${tenant}/users/${id}`)
    return page.getByRole('main').textContent()
  }
  await expect.poll(roles).toContain('orders:read')
})
