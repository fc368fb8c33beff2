import { type Browser, chromium, type Page } from 'playwright-core'
import { inject } from 'vitest'
import './provided.ts'

/** The browser of the run. */
export const openBrowser = (): Promise<Browser> => chromium.connect(inject('browser'))

/** A page of a browser that has no cookies yet, with relative addresses of the example. */
export async function newPage(browser: Browser): Promise<Page> {
  const context = await browser.newContext({ baseURL: inject('example').origin })
  // What does not come in this time does not come.
  context.setDefaultTimeout(30_000)
  return context.newPage()
}

/** Signs in to the console with an API key, as a person does. */
export async function signInWithKey(page: Page, key: string): Promise<void> {
  await page.goto('/console')
  await page.getByLabel('API key').fill(key)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
}
