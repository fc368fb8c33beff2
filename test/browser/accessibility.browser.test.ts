import axe, { type AxeResults } from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { shownPages, VIEWS } from '../support/pages.ts'
import { newPage, openBrowser, signInWithKey } from '../support/visiting.ts'

let browser: Browser
let stranger: Page
let operator: Page
beforeAll(async () => {
  browser = await openBrowser()
  ;[stranger, operator] = [await newPage(browser), await newPage(browser)]
  await signInWithKey(operator, inject('example').adminKey)
})
afterAll(() => browser.close())

/** What axe finds on the page that is open, each with where. */
async function faultsOf(page: Page): Promise<string[]> {
  const { violations } = (await page.evaluate(`axe.run(document)`)) as AxeResults
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
}

test.each(shownPages(inject('example')))(
  'axe finds nothing on the page $name, in light and dark, at 1,280 and 390 px, and it is no wider than the window',
  async ({ path, signedIn }) => {
    const page = signedIn ? operator : stranger
    await page.goto(path)
    // The policy of the pages allows no script; this one comes by the browser's own way for tools.
    await page.evaluate(axe.source)
    for (const { width, height, colorScheme } of VIEWS) {
      await page.setViewportSize({ width, height })
      await page.emulateMedia({ colorScheme })
      const view = `${colorScheme} at ${width} px`
      expect(await faultsOf(page), view).toEqual([])
      expect(await page.evaluate('document.documentElement.scrollWidth'), view).toBeLessThanOrEqual(width)
    }
  },
)

test('a fault would be found', async () => {
  await stranger.goto('/console/sign-in')
  await stranger.evaluate(axe.source)
  await stranger.evaluate(
    `document.querySelector('main').outerHTML = '<p style="color: #eee; background: #fff">grey</p>'`,
  )
  const found = (await faultsOf(stranger)).map((fault) => fault.split(':')[0])
  expect(found).toEqual(expect.arrayContaining(['landmark-one-main', 'page-has-heading-one', 'region']))
})
