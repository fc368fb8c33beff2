import type { Output } from './io.ts'

/** Tells people how far one long thing is. */
export interface Progress {
  /** `share` is from 0 to 1; undefined where it is not known how much there is. */
  show(share: number | undefined, text: string): void
  /** Removes the line. */
  end(): void
}

const WIDTH = 30
const EVERY_MS = 100

/** One line that changes on a terminal; nothing elsewhere. */
export function progressOn(out: Output): Progress {
  if (!out.isTTY) return { show: () => {}, end: () => {} }
  let shownAt = Number.NEGATIVE_INFINITY
  return {
    show(share, text) {
      if (performance.now() - shownAt < EVERY_MS) return
      shownAt = performance.now()
      const full = Math.round(Math.min(1, share ?? 0) * WIDTH)
      const bar = `${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${Math.floor(Math.min(1, share ?? 0) * 100)} %  `
      out.write(`\r\u001b[K${`${share === undefined ? '' : bar}${text}`.slice(0, (out.columns ?? 80) - 1)}`)
    },
    end: () => void out.write('\r\u001b[K'),
  }
}
