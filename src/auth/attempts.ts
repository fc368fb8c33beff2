import { LRUCache } from 'lru-cache'
import { countedAs } from '../network/proxies.ts'
import { isApiKeyId } from './api-key.ts'

/** Counts kept of one kind: beyond, the ones that have rested longest go, so that no flood takes memory. */
const MOST_COUNTED = 10_000

/**
 * How often something happened, by a name, in windows that begin with the first time. rate-limiter-flexible keeps each name until
 * its window ends; here strangers choose the names, so the oldest have to go.
 */
export class Windows {
  readonly #counts = new LRUCache<string, { times: number; readonly endsAt: number }>({
    // Entries of size one, since `max` would reserve the room for all at once.
    ...{ maxSize: MOST_COUNTED, sizeCalculation: () => 1 },
  })
  readonly #most: number
  readonly #ms: number

  constructor(most: number, seconds: number) {
    this.#most = most
    this.#ms = seconds * 1000
  }

  /** Counts one more; gives the whole seconds until the window ends where that is too many. */
  count(name: string): number | undefined {
    const now = Date.now()
    let known = this.#counts.get(name)
    if (known === undefined || known.endsAt <= now) {
      known = { times: 0, endsAt: now + this.#ms }
      this.#counts.set(name, known)
    }
    known.times++
    return known.times > this.#most ? Math.max(1, Math.ceil((known.endsAt - now) / 1000)) : undefined
  }
}

/** In how many seconds attempts are counted, and how many of them may fail. */
export const FAILURES = { seconds: 900, ofKeyFromAddress: 30, ofKey: 300, fromAddress: 300 } as const

/**
 * Attempts that failed to prove who asks: by the named key and the address together, by the key, and by the address. Each
 * instance counts for itself.
 *
 * Only failures are counted, and only failures are refused for it. So a client with a good key is never locked out: neither by
 * others behind the same address, nor by an attacker who knows the key's id.
 */
export class FailedAttempts {
  readonly #pairs = new Windows(FAILURES.ofKeyFromAddress, FAILURES.seconds)
  readonly #keys = new Windows(FAILURES.ofKey, FAILURES.seconds)
  readonly #addresses = new Windows(FAILURES.fromAddress, FAILURES.seconds)

  /**
   * Counts one. Gives the seconds to wait where there were too many.
   *
   * @param keyId what was named; a text that is no id of an API key may be a guess of the configured key
   * @param address undefined where it is not known
   */
  count(keyId: string | undefined, address: string | undefined): number | undefined {
    const key = keyId !== undefined && isApiKeyId(keyId) ? keyId : 'admin'
    const from = address === undefined ? 'nowhere' : countedAs(address)
    const waits = [this.#pairs.count(`${key} ${from}`), this.#keys.count(key), this.#addresses.count(from)]
    return waits.reduce((longest, wait) => (wait === undefined || (longest ?? 0) > wait ? longest : wait), undefined)
  }
}
