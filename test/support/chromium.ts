import { type Browser, type BrowserServer, chromium } from 'playwright-core'
import { findTool } from './tools.ts'

/** The browser: at `CHROMIUM`, on PATH, or where Debian puts it; undefined where there is none. */
export const findChromium = (): string | undefined =>
  process.env.CHROMIUM || ['chromium', 'chromium-browser', 'google-chrome'].map(findTool).find((path) => path)

const OPTIONS = {
  // It has no sandbox of its own for root, and it opens nothing but pages of this machine.
  args: ['--no-sandbox', '--disable-gpu', '--hide-scrollbars'],
}

/** Starts it for other processes. */
export const serveChromium = (executablePath: string): Promise<BrowserServer> =>
  chromium.launchServer({ executablePath, ...OPTIONS })

/** Starts it for this process. */
export const launchChromium = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, ...OPTIONS })
