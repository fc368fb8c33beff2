import {
  claimMessages,
  messageFailed,
  messagesDone,
  streamsToTell,
  type ToldStream,
} from '../repositories/delivery/stream-messages.ts'
import type { Polling } from './polling.ts'
import type { HostBudgets } from './sending/host-budgets.ts'
import { type PushTools, pushMessage } from './stream-push.ts'

/** What the sender is made from. */
export interface MessageParts extends PushTools {
  readonly polling: Polling
  readonly hosts: HostBudgets
  /** Whether there is any endpoint. Where there is none, nothing is looked for. */
  readonly lively: () => boolean
  readonly failed: (error: unknown) => void
}

/** From one look to the next: so long a message of another instance may lie. */
const LOOK_MS = 1_000
/** Streams that one instance tells something at the same time, and messages that it claims for one: an attempt takes 10 s at the most. */
const AT_ONCE = 16
const CLAIMED = 2
const SECOND_MS = 1_000
/** What was not accepted comes again after 2 s, then after twice as long each time; what is older than a day does not. */
const LONGEST_WAIT_MS = 600_000
const GIVEN_UP_AFTER_MS = 86_400_000

/**
 * Tells streams about themselves: verification events, and changes of their status. These are few, belong to no tenant's log, and wait
 * for nothing in it. Any number of instances share the work. For streams that are polled it wakes the receivers that wait here.
 */
export class MessageSender {
  readonly #parts: MessageParts
  readonly #telling = new Map<string, Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #look: Promise<void> | undefined
  #again = false
  #stopped = false

  constructor(parts: MessageParts) {
    this.#parts = parts
  }

  /** Looks for messages now, and from now on. */
  kick(): void {
    if (this.#stopped) return
    this.#again = true
    if (this.#look !== undefined) return
    clearTimeout(this.#timer)
    this.#look = this.#looks().then(() => {
      this.#look = undefined
      if (this.#again) this.kick()
      else if (!this.#stopped) this.#timer = setTimeout(() => this.#tick(), LOOK_MS).unref()
    })
  }

  /** Begins nothing more, and waits until what is under way is over. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#look
    await Promise.all(this.#telling.values())
  }

  #tick(): void {
    if (this.#parts.lively()) this.kick()
    else this.#timer = setTimeout(() => this.#tick(), LOOK_MS).unref()
  }

  async #looks(): Promise<void> {
    const { db, polling, failed } = this.#parts
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false
        for (const to of await streamsToTell(db, polling.streams)) {
          if (to.stream.method === 'poll') polling.wake(to.id)
          else this.#begin(to)
        }
      }
    } catch (error) {
      failed(error)
    }
  }

  #begin(to: ToldStream): void {
    if (this.#stopped || this.#telling.has(to.id) || this.#telling.size >= AT_ONCE) return
    const telling = this.#tell(to)
      .catch(this.#parts.failed)
      .finally(() => this.#telling.delete(to.id))
    this.#telling.set(to.id, telling)
  }

  /** Sends a stream its messages, one after the other. */
  async #tell(to: ToldStream): Promise<void> {
    const { db, hosts } = this.#parts
    let free = hosts.take(to.url, CLAIMED)
    try {
      for (const message of free === 0 ? [] : await claimMessages(db, to.id, free)) {
        const outcome = await pushMessage(this.#parts, to, message).finally(() => {
          free--
          hosts.over(to.url)
        })
        const { id, attempts, createdAt } = message
        const old = Date.now() - createdAt > GIVEN_UP_AFTER_MS
        // A token that the receiver refuses does not get better.
        if (outcome.ok || outcome.refused || old) await messagesDone(db, to.id, [id])
        else {
          const backoff = Math.min(SECOND_MS * 2 ** attempts, LONGEST_WAIT_MS)
          await messageFailed(db, to.id, { id, attempts }, Math.max(backoff, outcome.retryAfterMs))
        }
      }
    } finally {
      hosts.giveBack(to.url, free)
    }
  }
}
