/** What one instance may send to one receiving host, over all endpoints of all tenants. */
export interface HostBudget {
  /** Requests under way at the same time. */
  readonly atOnce: number
  /** Requests begun in a second. */
  readonly perSecond: number
}

/** A host with something under way, or that got something within the last second. */
interface Spent {
  underWay: number
  /** Requests that may begin now; grows by `perSecond` each second, up to that many. */
  left: number
  /** When `left` was last worked out, in milliseconds of the clock. */
  at: number
}

/** So many hosts are remembered before those that are idle are forgotten. */
const FORGET_FROM = 1_000

/**
 * Budgets of receiving hosts. Without them a customer could register many endpoints with the address of a stranger's server. Each
 * change would then be hundreds of requests to it. A host is a name with its port, as `URL.host` gives it.
 */
export class HostBudgets {
  readonly #budget: HostBudget
  readonly #clock: () => number
  readonly #hosts = new Map<string, Spent>()

  /** @param clock milliseconds on a clock that never goes back; for tests */
  constructor(budget: HostBudget, clock: () => number = () => performance.now()) {
    this.#budget = budget
    this.#clock = clock
  }

  /** How many hosts are remembered. */
  get size(): number {
    return this.#hosts.size
  }

  /** Reserves room for up to `wanted` requests to the host of `url`; gives for how many there is room. */
  take(url: string, wanted: number): number {
    const host = hostOf(url)
    if (this.#hosts.size >= FORGET_FROM) this.#forgetIdle()
    const spent = this.#refilled(host)
    const taken = Math.max(0, Math.min(wanted, this.#budget.atOnce - spent.underWay, Math.floor(spent.left)))
    spent.underWay += taken
    spent.left -= taken
    return taken
  }

  /** Ends a request to the host of `url`. */
  over(url: string): void {
    this.#refilled(hostOf(url)).underWay--
  }

  /** Gives back room for `unused` requests that are not made after all. */
  giveBack(url: string, unused: number): void {
    const spent = this.#refilled(hostOf(url))
    spent.underWay -= unused
    spent.left += unused
  }

  #refilled(host: string): Spent {
    const { perSecond } = this.#budget
    const now = this.#clock()
    const spent = this.#hosts.get(host) ?? { underWay: 0, left: perSecond, at: now }
    this.#hosts.set(host, spent)
    spent.left = Math.min(perSecond, spent.left + ((now - spent.at) / 1_000) * perSecond)
    spent.at = now
    return spent
  }

  #forgetIdle(): void {
    for (const [host, { underWay, at }] of this.#hosts)
      if (underWay === 0 && this.#clock() - at >= 1_000) this.#hosts.delete(host)
  }
}

// To read a URL takes longer than all else here, and few are read again and again.
const hosts = new Map<string, string>()
function hostOf(url: string): string {
  const known = hosts.get(url)
  if (known !== undefined) return known
  if (hosts.size >= FORGET_FROM) hosts.clear()
  const { host } = new URL(url)
  hosts.set(url, host)
  return host
}
