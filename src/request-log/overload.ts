import { type EventLoopUtilization, performance } from 'node:perf_hooks'

/** Up to so many requests a second nothing counts as overload, however long each takes: identity providers send fewer. */
const USUAL_A_SECOND = 500
/** From this part of its time on, the thread works so much that requests wait for each other. */
const BUSY = 0.5
const LOOK_MS = 100

type Look = (before?: EventLoopUtilization) => EventLoopUtilization

/** Tells whether requests come as fast as the instance can answer them, so that each work beside them slows them. */
export class Overload {
  readonly #now: () => number
  readonly #look: Look
  #looked: number
  #used: EventLoopUtilization
  #requests = 0
  #is = false

  /** @param now milliseconds, and `look` tells how long the thread has worked; both for tests */
  constructor(now = () => performance.now(), look: Look = (before) => performance.eventLoopUtilization(before)) {
    this.#now = now
    this.#look = look
    this.#looked = now()
    this.#used = look()
  }

  /** Counts a request. */
  request(): void {
    this.#requests++
  }

  /** Of the last tenth of a second or more. */
  get is(): boolean {
    const now = this.#now()
    const passed = now - this.#looked
    if (passed < LOOK_MS) return this.#is
    const aSecond = (this.#requests * 1_000) / passed
    this.#is = aSecond > USUAL_A_SECOND && this.#look(this.#used).utilization > BUSY
    this.#used = this.#look()
    this.#looked = now
    this.#requests = 0
    return this.#is
  }
}
