import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { openAsItIs } from '../../src/db/open.ts'
import { type Child, runMain } from '../support/children.ts'
import { operate } from '../support/example.ts'
import { userBody } from '../support/instances.ts'
import { openReceiver, type Receiver } from '../support/receiver.ts'
import { newStoreFolder } from '../support/store-folder.ts'
import { play, type Scenario } from '../support/traffic.ts'
import { beginSetup, expectAccessible, newPage, openBrowser, signInWithKey } from '../support/visiting.ts'

const DEV = '/projects/default/environments/dev'

let browser: Browser
let receiver: Receiver
beforeAll(async () => {
  browser = await openBrowser()
  receiver = await openReceiver()
})
afterAll(async () => {
  await browser.close()
  await receiver.close()
})

let folder: string
let running: Child | undefined
beforeEach(() => {
  folder = newStoreFolder()
})
afterEach(async () => {
  await stop()
  rmSync(folder, { recursive: true, force: true })
})

async function start(env: NodeJS.ProcessEnv = {}): Promise<{ readonly gateway: Child; readonly origin: string }> {
  const started = await runMain({
    DATABASE_URL: '',
    DATA_DIR: folder,
    LOG_LEVEL: 'warn',
    DELIVERY_NETWORKS: '127.0.0.0/8',
    ...env,
  })
  running = started.gateway
  return started
}

async function stop(): Promise<void> {
  running?.process.kill('SIGTERM')
  await running?.ended()
  running = undefined
}

test('from an empty gateway to the first user of Okta by a set-up link, without a further act of the operator', async () => {
  const { gateway, origin } = await start()
  const [, keysFile = ''] = /^Keys file +(.+)$/m.exec(gateway.stdout()) ?? []
  const { adminKey } = JSON.parse(readFileSync(keysFile, 'utf8'))

  const operator = await newPage(browser, origin)
  await signInWithKey(operator, adminKey)
  const main = operator.getByRole('main')
  await operator.goto(`/console${DEV}`)
  await operator.getByRole('link', { name: 'New tenant' }).click()
  await main.getByLabel(/^Key/).fill('acme')
  await main.getByLabel(/^Name/).fill('Acme')
  await operator.getByRole('button', { name: 'Make the tenant' }).click()
  await operator.getByRole('heading', { level: 1, name: 'Acme' }).waitFor()
  await operator.goto(`/console${DEV}/tenants/acme/setup-links`)
  await operator.getByText('New link …').click()
  await main.getByLabel(/^Name/).fill('IT of Acme')
  await operator.getByRole('button', { name: 'Make the link' }).click()
  await operator.getByRole('heading', { level: 1, name: 'IT of Acme' }).waitFor()
  const url = (await main.getByRole('code').textContent()) ?? ''
  await expectAccessible(operator)
  await operator.context().close()

  const visitor = await newPage(browser, origin)
  await beginSetup(visitor, url)
  await visitor.getByRole('button', { name: 'Okta' }).click()
  await visitor.getByRole('button', { name: 'Make a token' }).click()
  const shown = async (value: string) => {
    const button = visitor.getByRole('button', { name: `Copy the ${value}`, exact: true }).first()
    return (await button.getAttribute('data-copy')) ?? ''
  }
  const [base, token] = [await shown('base URL'), await shown('token')]
  await expectAccessible(visitor)
  await visitor.getByRole('link', { name: 'What arrives' }).click()
  const arrivals = visitor.getByRole('log')
  await arrivals.getByText('0 users', { exact: true }).waitFor()

  const recording = join(import.meta.dirname, '../fixtures/idp-traffic/okta/oin-user-patch.json')
  const scenario: Scenario = JSON.parse(readFileSync(recording, 'utf8'))
  expect(await play({ ...scenario, cleanup: [] }, base, token)).toEqual([])
  // The page follows by itself.
  await arrivals.getByText('1 user', { exact: true }).waitFor()
  await visitor.getByRole('link', { name: 'Overview' }).click()
  const task = visitor.getByRole('listitem').filter({ hasText: 'The first user arrives' })
  await task.getByRole('img', { name: 'Done' }).waitFor()
  await visitor.getByRole('link', { name: 'Self-test' }).click()
  await visitor.getByRole('button', { name: 'Test', exact: true }).click()
  await visitor.getByRole('heading', { level: 1, name: 'Self-test: Okta' }).waitFor({ timeout: 60_000 })
  await expectAccessible(visitor)
  await visitor.context().close()
})

test('a webhook that was disabled is enabled again, and its dead letter is sent once more', async () => {
  const adminKey = 'the-admin-key-of-this-gateway'
  let status = 500
  receiver.answer('/hook', () => status)
  const first = { origin: (await start({ ADMIN_KEY: adminKey })).origin, adminKey }
  const webhooks = `${DEV}/tenants/default/webhooks`
  const { id } = await operate(first, 'POST', `/api/v1${webhooks}`, {
    url: `${receiver.origin}/hook`,
    events: ['user.*'],
  })
  await operate(first, 'POST', '/scim/v2/default/dev/v2/default/Users', userBody('ada@example.com'))
  const tried = async () => {
    const deliveries = `/api/v1${webhooks}/${id}/deliveries?state=pending`
    return (await operate<{ items: { lastStatus: number | null }[] }>(first, 'GET', deliveries)).items
  }
  await expect.poll(tried).toMatchObject([{ lastStatus: 500 }])

  // Six days pass while the gateway is down.
  await stop()
  const database = await openAsItIs(loadConfig({ DATA_DIR: folder }))
  await database.run("update webhook_deliveries set first_tried_at = now() - interval '6 days', due_at = now()", [])
  await database.run("update webhook_endpoints set failing_since = now() - interval '6 days', resume_at = null", [])
  await database.close()

  const page = await newPage(browser, (await start({ ADMIN_KEY: adminKey })).origin)
  await signInWithKey(page, adminKey)
  const seen = async (text: string) => {
    await page.goto(`/console${webhooks}/${id}`)
    return page.getByText(text, { exact: true }).count()
  }
  await expect.poll(() => seen('1 dead letter')).toBe(1)
  expect(await seen('disabled')).toBe(1)
  status = 200
  await page.getByRole('button', { name: 'Enable it again' }).click()
  await page.getByRole('status').waitFor()
  expect(receiver.taken('/hook')).toEqual([])
  const row = page.getByRole('row').filter({ hasText: 'user.created' })
  await row.getByRole('button', { name: 'Send again' }).click()
  await page.getByRole('status').waitFor()
  await expect.poll(() => receiver.taken('/hook')).toMatchObject([{ type: 'user.created' }])
  await expect.poll(() => seen('gets through')).toBe(1)
  await page.context().close()
})
