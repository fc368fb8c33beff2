import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CDPSession } from 'playwright-core'
import { findChromium, launchChromium } from './chromium.ts'
import { openExample } from './example.ts'
import { type ShownPage, shownPages } from './pages.ts'

// npm run screenshots [FOLDER] makes a picture of every page in light and dark, of a gateway that is filled as an example.

const ROOT = join(import.meta.dirname, '../..')
const WIDTH = 1_280
/** What is further down is in no picture: some pages have no end. */
const MOST_HEIGHT = 900
/** All of them are in the repository. The first quality with which a picture is no larger is taken. */
const MOST_BYTES = 45_000
const QUALITIES = [40, 30, 20, 10]

const folder = process.argv[2] ?? join(ROOT, 'docs/screenshots')
const executable = findChromium()
if (executable === undefined) throw new Error('there is no Chromium: install one, or name it in CHROMIUM')
mkdirSync(folder, { recursive: true })
for (const name of readdirSync(folder)) if (name.endsWith('.webp')) rmSync(join(folder, name))

const example = await openExample(join(ROOT, 'dist/main.js'))
const browser = await launchChromium(executable)
try {
  for (const colorScheme of ['light', 'dark'] as const) {
    const context = await browser.newContext({ baseURL: example.origin, colorScheme })
    const page = await context.newPage()
    const devtools = await context.newCDPSession(page)
    const become: Readonly<Record<ShownPage['by'], () => Promise<void>>> = {
      stranger: () => context.clearCookies(),
      async operator() {
        await page.goto('/console/sign-in')
        await page.getByLabel('API key').fill(example.adminKey)
        await page.getByRole('button', { name: 'Sign in', exact: true }).click()
        await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
      },
      async visitor() {
        await page.goto(example.setupUrl)
        await page.getByRole('button', { name: 'Begin' }).click()
        await page.getByRole('navigation', { name: 'Set-up' }).waitFor()
      },
    }
    const pages = shownPages(example)
    for (const by of ['stranger', 'operator', 'visitor'] as const) {
      await become[by]()
      for (const { name, path } of pages.filter((one) => one.by === by)) {
        await page.setViewportSize({ width: WIDTH, height: 800 })
        await page.goto(path)
        const height = Math.min(MOST_HEIGHT, Number(await page.evaluate('document.documentElement.scrollHeight')))
        await page.setViewportSize({ width: WIDTH, height })
        const picture = await pictureOf(devtools, name)
        writeFileSync(join(folder, `${name}-${colorScheme}.webp`), picture)
      }
    }
    await context.close()
  }
} finally {
  await browser.close()
  await example.close()
}

async function pictureOf(devtools: CDPSession, name: string): Promise<Buffer> {
  for (const quality of QUALITIES) {
    const { data } = await devtools.send('Page.captureScreenshot', { format: 'webp', quality })
    const picture = Buffer.from(data, 'base64')
    if (picture.length <= MOST_BYTES) return picture
  }
  throw new Error(`the picture of ${name} is too large`)
}
