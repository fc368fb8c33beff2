import type * as Mirrors from '../../../src/mirror/index.ts'

// A mirror that may be killed at any moment, by the package as it is delivered. It is started ahead, and begins when it gets its options;
// it tells what it does.
const { openMirror }: typeof Mirrors = await import(new URL('../dist/mirror/index.js', import.meta.url).href)
process.once('message', (options: Mirrors.MirrorOptions) => {
  const mirror = openMirror({ ...options, onReport: (report) => process.send?.(report) })
  mirror.follow(new AbortController().signal).catch((error: unknown) => {
    process.send?.({ state: 'refused', reason: String(error) })
  })
})
process.once('disconnect', () => process.exit())
