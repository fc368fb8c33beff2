import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { findChromium, serveChromium } from './chromium.ts'
import { openExample } from './example.ts'
import { builtFolder } from './global-setup-built.ts'
import './provided.ts'

/** Starts one browser and one gateway, filled as an example, for all browser tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const example = await openExample(join(await builtFolder(), 'dist/main.js'))
  const browser = await serveChromium(findChromium() ?? '')
  const { origin, adminKey, ids, setupUrl } = example
  project.provide('example', { origin, adminKey, ids, setupUrl })
  project.provide('browser', browser.wsEndpoint())
  return async () => {
    await browser.close()
    await example.close()
  }
}
