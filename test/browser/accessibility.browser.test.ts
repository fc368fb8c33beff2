import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type ShownPage, shownPages } from '../support/pages.ts'
import { beginSetup, expectAccessible, faultsOf, newPage, openBrowser, signInWithKey } from '../support/visiting.ts'

const example = inject('example')

let browser: Browser
let pages: Readonly<Record<ShownPage['by'], Page>>
beforeAll(async () => {
  browser = await openBrowser()
  pages = { stranger: await newPage(browser), operator: await newPage(browser), visitor: await newPage(browser) }
  await signInWithKey(pages.operator, example.adminKey)
  await beginSetup(pages.visitor, example.setupUrl)
})
afterAll(() => browser.close())

test.each(shownPages(example))(
  'axe finds nothing on the page $name, in light and dark, at 1,280 and 390 px, it is no wider than the window, and no word of its navigation is broken',
  async ({ name, path, by }) => {
    const page = pages[by]
    const answer = await page.goto(path)
    expect(answer?.status()).toBe(name.endsWith('not-found') ? 404 : 200)
    await expectAccessible(page)
  },
)

test('a fault would be found', async () => {
  const page = pages.stranger
  await page.goto('/console/sign-in')
  await page.evaluate(`document.querySelector('main').outerHTML = '<p style="color: #eee; background: #fff">grey</p>'`)
  const found = (await faultsOf(page)).map((fault) => fault.split(':')[0])
  expect(found).toEqual(expect.arrayContaining(['landmark-one-main', 'page-has-heading-one', 'region']))
})
