import { setTimeout as pause } from 'node:timers/promises'
import { signedHeaders, webhookText } from '../delivery/sending/webhook-sender.ts'
import type { Event, FeedPage, FeedPosition } from './feed.ts'

/** What came of one attempt to give an event to the receiver; status null where no answer came. */
export interface Attempt {
  readonly event: Event
  readonly status: number | null
  readonly accepted: boolean
  readonly ms: number
  /** Why there was no answer. */
  readonly error?: string | undefined
  /** When it is sent again; undefined where it is not. */
  readonly againInMs?: number | undefined
}

/** Where signed events go. */
export interface Receiver {
  readonly secret: string
  /** Gives the message to the receiver; its status counts. */
  readonly send: (request: Request) => Promise<Response>
  readonly url: string
}

/** A receiver that answers, but never with a success, gets an event so often. One that does not answer gets it until it does. */
const MOST_REFUSALS = 5
const PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000]
/** Of events that are on their way or wait for their turn. Beyond them nothing is read. */
const MOST_UNDER_WAY = 100
const ANSWER_MS = 10_000

/** Signs an event and sends it once, as the gateway's webhooks do. */
export async function sendOnce({ secret, send, url }: Receiver, event: Event): Promise<Omit<Attempt, 'againInMs'>> {
  const body = webhookText(event.type, event.time, JSON.stringify(event))
  const headers = signedHeaders({ id: event.id, body, secrets: [secret] }, new Date())
  const begun = performance.now()
  const ms = () => Math.round(performance.now() - begun)
  try {
    const signal = AbortSignal.timeout(ANSWER_MS)
    const answer = await send(new Request(url, { method: 'POST', headers, body, redirect: 'manual', signal }))
    await answer.body?.cancel()
    return { event, status: answer.status, accepted: answer.status >= 200 && answer.status < 300, ms: ms() }
  } catch (error) {
    return { event, status: null, accepted: false, ms: ms(), error: reasonOf(error) }
  }
}

/**
 * Gives the events of a feed to a receiver: each at least once, those of one resource in their order, those of others beside
 * them. `settled` is told after which page nothing is left to do, so that a reader who begins there misses nothing.
 */
export class Forwarding {
  readonly #receiver: Receiver
  readonly #told: (attempt: Attempt) => void
  readonly #settled: (position: FeedPosition) => void
  readonly #signal: AbortSignal
  /** The last work of each resource, by its id. */
  readonly #lanes = new Map<string, Promise<void>>()
  readonly #underWay = new Set<string>()
  /** Pages of which something may be left to do, the oldest first. */
  readonly #pages: { readonly next: FeedPosition; left: number }[] = []
  #room: (() => void) | undefined

  constructor(
    receiver: Receiver,
    on: { readonly told: (attempt: Attempt) => void; readonly settled?: (position: FeedPosition) => void },
    signal: AbortSignal,
  ) {
    this.#receiver = receiver
    this.#told = on.told
    this.#settled = on.settled ?? (() => {})
    this.#signal = signal
  }

  /** Takes all pages of a feed; settles when the feed ends and what is under way is done. */
  async run(pages: AsyncIterable<FeedPage>): Promise<void> {
    for await (const { events, next } of pages) {
      const page = { next, left: events.length }
      this.#pages.push(page)
      for (const event of events) {
        await this.#take(event, page)
        if (this.#signal.aborted) break
      }
      if (this.#signal.aborted) break
      this.#settle()
    }
    await Promise.all(this.#lanes.values())
  }

  async #take(event: Event, page: { left: number }): Promise<void> {
    while (this.#underWay.size >= MOST_UNDER_WAY && !this.#signal.aborted)
      await new Promise<void>((resolve) => {
        this.#room = resolve
      })
    const lane = event.resource.id
    this.#underWay.add(event.id)
    const work = (this.#lanes.get(lane) ?? Promise.resolve()).then(async () => {
      // What a stop leaves stays unsettled, and comes again from there.
      if (!(await this.#deliver(event))) return
      this.#underWay.delete(event.id)
      page.left--
      this.#settle()
    })
    const done = work.finally(() => {
      if (this.#lanes.get(lane) === done) this.#lanes.delete(lane)
      this.#room?.()
    })
    this.#lanes.set(lane, done)
  }

  /** True once the receiver has taken the event, or has refused it too often. */
  async #deliver(event: Event): Promise<boolean> {
    for (let attempts = 1, refusals = 0; !this.#signal.aborted; attempts++) {
      const outcome = await sendOnce(this.#receiver, event)
      if (outcome.status !== null && !outcome.accepted) refusals++
      const again = !outcome.accepted && refusals < MOST_REFUSALS
      const againInMs = again ? PAUSES_MS[Math.min(attempts, PAUSES_MS.length) - 1] : undefined
      this.#told({ ...outcome, againInMs })
      if (againInMs === undefined) return true
      await pause(againInMs, undefined, { signal: this.#signal }).catch(() => {})
    }
    return false
  }

  #settle(): void {
    let done: FeedPosition | undefined
    while (this.#pages[0]?.left === 0) done = this.#pages.shift()?.next
    if (done !== undefined) this.#settled(done)
  }
}

/** Why no answer came, from the error of `fetch`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `no answer within ${ANSWER_MS / 1000} s`
  const { cause } = error
  if (!(cause instanceof Error)) return error.message
  return (cause as NodeJS.ErrnoException).code ?? cause.message
}
