const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** What is looked at again and again. */
export interface Watch {
  /** Ends it, and waits for the look under way. */
  stop(): Promise<void>
}

/**
 * Does `look` at once and every hour; the process need not stay for it.
 *
 * @param failed is told why a look was in vain; the next one comes by itself
 */
export const hourly = (look: () => Promise<unknown>, failed: (error: unknown) => void): Watch =>
  every(HOUR_MS, look, failed)

/** Does `look` at once and every minute, else like `hourly`. */
export const everyMinute = (look: () => Promise<unknown>, failed: (error: unknown) => void): Watch =>
  every(MINUTE_MS, look, failed)

function every(ms: number, look: () => Promise<unknown>, failed: (error: unknown) => void): Watch {
  let underWay: Promise<unknown> | undefined
  const attempt = () => {
    // One that takes longer than that is not overtaken.
    underWay ??= look()
      .catch(failed)
      .finally(() => {
        underWay = undefined
      })
  }
  attempt()
  const timer = setInterval(attempt, ms).unref()
  return {
    async stop() {
      clearInterval(timer)
      await underWay
    },
  }
}

/**
 * Calls `pass` again and again behind the requests: a breath later where it says that there may be more, else when it is idle. A pass
 * that fails is told of, and the next one comes all the same.
 */
export class Passes {
  readonly #pass: () => Promise<boolean>
  readonly #failed: (error: unknown) => void
  readonly #breathMs: () => number
  #timer: NodeJS.Timeout | undefined
  #underWay: Promise<void> | undefined
  #stopped = false

  /** @param breathMs the pause after a pass that may have left something to do */
  constructor(pass: () => Promise<boolean>, failed: (error: unknown) => void, breathMs: () => number) {
    this.#pass = pass
    this.#failed = failed
    this.#breathMs = breathMs
  }

  get stopped(): boolean {
    return this.#stopped
  }

  start(everyMs: number): void {
    this.#schedule(everyMs, everyMs)
  }

  /** Stops, once the pass under way is done. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#underWay
  }

  #schedule(ms: number, everyMs: number): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#underWay = this.#pass()
        .catch((error: unknown) => {
          this.#failed(error)
          return false
        })
        .then((more) => this.#schedule(more ? this.#breathMs() : everyMs, everyMs))
    }, ms).unref()
  }
}
