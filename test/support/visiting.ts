import axe, { type AxeResults } from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { expect, inject } from 'vitest'
import { VIEWS } from './pages.ts'
import './provided.ts'

/** The browser of the run. */
export const openBrowser = (): Promise<Browser> => chromium.connect(inject('browser'))

/** A page of a browser that has no cookies yet, with relative addresses of a gateway: the example's by default. */
export async function newPage(browser: Browser, origin = inject('example').origin): Promise<Page> {
  const context = await browser.newContext({ baseURL: origin })
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

/** Opens a set-up link and begins, as a customer's IT admin does. */
export async function beginSetup(page: Page, url: string): Promise<void> {
  await page.goto(url)
  await page.getByRole('button', { name: 'Begin' }).click()
  await page.getByRole('navigation', { name: 'Set-up' }).waitFor()
}

/** What axe finds on the page that is open, each with where. */
export async function faultsOf(page: Page): Promise<string[]> {
  // The policy of the pages allows no script of others; this one comes by the browser's own way for tools.
  if ((await page.evaluate('typeof axe')) === 'undefined') await page.evaluate(axe.source)
  const { violations } = (await page.evaluate(`axe.run(document)`)) as AxeResults
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
}

/** Words of links in navigation, and of buttons, that are broken over two lines. */
const BROKEN_WORDS = `[...document.querySelectorAll('nav a, button')].flatMap((one) => {
  const broken = []
  const texts = document.createTreeWalker(one, NodeFilter.SHOW_TEXT)
  for (let text = texts.nextNode(); text; text = texts.nextNode())
    for (const { index, 0: word } of text.data.matchAll(/\\S+/g)) {
      const range = document.createRange()
      range.setStart(text, index)
      range.setEnd(text, index + word.length)
      if (new Set([...range.getClientRects()].map(({ top }) => top)).size > 1) broken.push(word)
    }
  return broken
})`

/** Expects a page without faults, no wider than its window, whose navigation breaks no word, in light and dark, at both widths. */
export async function expectAccessible(page: Page): Promise<void> {
  for (const { width, height, colorScheme } of VIEWS) {
    await page.setViewportSize({ width, height })
    await page.emulateMedia({ colorScheme })
    const view = `${colorScheme} at ${width} px`
    expect(await faultsOf(page), view).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth'), view).toBeLessThanOrEqual(width)
    expect(await page.evaluate(BROKEN_WORDS), view).toEqual([])
  }
}
