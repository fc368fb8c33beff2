import type { KeyUse, KnownSecret } from '../auth/stored-key.ts'
import { describeClient } from '../network/user-agent.ts'
import type { ControlStore } from './control-store.ts'

type Noted = Omit<KeyUse, 'client'> & {
  /** `User-Agent` as it was sent. */
  readonly client: string | undefined
  readonly endsOthers: boolean
}

const FLUSH_MS = 30_000
/** What ends with a use had better end soon. */
const END_ROTATION_AFTER_MS = 100

/** When secrets were last used, and by which client: noted in memory, and written down now and then in one statement. */
export class KeyUses {
  readonly #store: Pick<ControlStore, 'recordKeyUse' | 'endRotation'>
  readonly #ended: () => void
  /** By the hash of the secret. */
  readonly #noted = new Map<string, Noted>()
  #timer: NodeJS.Timeout | undefined
  #due = 0

  /** @param ended called when a secret was ended by the use of its successor */
  constructor(store: Pick<ControlStore, 'recordKeyUse' | 'endRotation'>, ended: () => void) {
    this.#store = store
    this.#ended = ended
  }

  /** Notes a use by a client with this `User-Agent`; `now` in milliseconds since 1970. */
  note({ principal, version, hash, inPlace, endsOthers }: KnownSecret, client: string | undefined, now: number): void {
    const other = inPlace === undefined ? undefined : { inPlace }
    this.#noted.set(hash, { id: principal.keyId, version, ...other, at: now, client, endsOthers })
    this.#flushAt(now + (endsOthers ? END_ROTATION_AFTER_MS : FLUSH_MS), now)
  }

  /** Writes what was noted, and ends what waited for that. What cannot be written is kept for the next time. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#noted.size === 0) return
    const noted = [...this.#noted]
    this.#noted.clear()
    try {
      await this.#store.recordKeyUse(
        noted.map(([, { endsOthers, client, ...use }]) => ({ ...use, client: describeClient(client) })),
      )
      for (const [, { id, version, endsOthers }] of noted) {
        if (!endsOthers) continue
        await this.#store.endRotation(id, version)
        this.#ended()
      }
    } catch (error) {
      for (const [hash, use] of noted) if (!this.#noted.has(hash)) this.#noted.set(hash, use)
      throw error
    }
  }

  #flushAt(due: number, now: number): void {
    if (this.#timer !== undefined && this.#due <= due) return
    clearTimeout(this.#timer)
    this.#due = due
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      // A failure keeps the notes; the next use sets the timer again, and the store's trouble shows in requests anyway.
      this.flush().catch(() => undefined)
    }, due - now).unref()
  }
}
