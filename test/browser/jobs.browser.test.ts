import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { operate, PROD } from '../support/example.ts'
import { patchBody, userBody } from '../support/instances.ts'
import { play, type Scenario } from '../support/traffic.ts'
import { newPage, openBrowser, signInWithKey } from '../support/visiting.ts'

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
  await expect.poll(held, { timeout: 30_000 }).toBeGreaterThan(0)
  await page.getByText('Release …').click()
  await page.getByLabel('Note').fill('end of the season')
  await page.getByRole('button', { name: 'Release', exact: true }).click()
  await page.getByRole('status').waitFor()
  await expect.poll(held, { timeout: 30_000 }).toBe(0)
})

test('what Entra ID sends is seen: who came, and what happened to whom', async () => {
  const scim = await newTenant('contoso')
  const folder = join(import.meta.dirname, '../fixtures/idp-traffic/entra')
  const scenario: Scenario = JSON.parse(readFileSync(join(folder, 'full-mapping.json'), 'utf8'))
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
