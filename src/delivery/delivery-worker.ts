import { setTimeout as pause } from 'node:timers/promises'
import type { TenantId } from '../place-ids.ts'
import { type DueEndpoint, dueDeliveries } from '../repositories/delivery/due-deliveries.ts'
import { endpointFailed, endpointSucceeded, giveProbeBack, takeProbe } from '../repositories/delivery/endpoint-state.ts'
import {
  type ClaimedDelivery,
  type ClaimFor,
  mendQueues,
  type QueuePlace,
  type SettledDelivery,
  webhookQueueOf,
} from '../repositories/delivery/webhook-queue.ts'
import { anyEndpoint } from '../repositories/delivery/webhooks.ts'
import { type EventSender, eventSender, type SendingTools } from './event-sender.ts'
import type { Polling } from './polling.ts'
import { EndpointPaces } from './sending/endpoint-pace.ts'
import type { HostBudgets } from './sending/host-budgets.ts'
import { RETRIES, type RetrySchedule, retryDelay } from './sending/retries.ts'
import { fromAnywhere } from './sending/turns.ts'
import type { PushOutcome } from './stream-push.ts'

/** What the worker is made from. */
export interface WorkerParts extends SendingTools {
  /** Receivers that wait for what is due on polled streams. */
  readonly polling: Polling
  /** What each receiving host may be asked, all endpoints together. */
  readonly hosts: HostBudgets
  /** Told of each look for due deliveries that succeeds, and of what went wrong on our side. */
  readonly looked: () => void
  readonly failed: (error: unknown) => void
  /** Told when an endpoint was disabled because it accepts nothing any more. */
  readonly disabled: (endpointId: string, reason: string) => void
  readonly retries?: RetrySchedule
}

/** Requests that one instance has under way, so that it stays awake for clients; and claims, so that clients find connections. */
const IN_ALL = 96
/** An endpoint may always have so many, even if others keep the instance busy. */
const AT_LEAST = 2
const CLAIMING_AT_ONCE = 2
const ASK_FOR_ENDPOINTS_MS = 1_000
/** Looks for work are so far apart at the least; and so far at the most, where something waits and where nothing does. */
const LOOK_MS = 20
const BUSY_MS = 200
const IDLE_MS = 1_000
/** Where nothing is due, a look that takes long comes so many times its time later. */
const RARER = 20
/** From one repair of all queues to the next, and from one stretch of them to the next. */
const MEND_MS = 60_000
const STRETCH_MS = 1_000
/** One statement records the successes of so many milliseconds, or of as long as the one before took. */
const GATHER_MS = 20

/**
 * Sends queued events to webhooks, and to streams that are pushed. Any number of instances share the work. Each claims what it
 * sends; what an instance claims and does not settle falls due again. The store knows which endpoints rest. Each instance finds out
 * for itself how many requests at once an endpoint answers.
 */
export class DeliveryWorker {
  readonly #parts: WorkerParts
  readonly #retries: RetrySchedule
  readonly #send: EventSender
  readonly #paces = new EndpointPaces()
  readonly #underWay = new Map<string, number>()
  readonly #requests = new Set<Promise<void>>()
  readonly #done = new Map<string, Settled>()
  readonly #flushes = new Map<string, Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #pass: Promise<void> | undefined
  #again = false
  #stopped = false
  #hasEndpoints = false
  #waits = false
  #lookedAt = Number.NEGATIVE_INFINITY
  #askedAt = Number.NEGATIVE_INFINITY
  #mendedAt = Number.NEGATIVE_INFINITY
  #mended: QueuePlace | undefined
  #after: string | undefined
  #turn: TenantId | undefined

  constructor(parts: WorkerParts) {
    this.#parts = parts
    this.#retries = parts.retries ?? RETRIES
    this.#send = eventSender(parts)
  }

  /** True while there is an endpoint to send to. */
  get lively(): boolean {
    return this.#hasEndpoints
  }

  /** Looks for work now, and from now on. */
  kick(): void {
    if (this.#stopped) return
    this.#again = true
    if (this.#pass !== undefined) return
    clearTimeout(this.#timer)
    this.#pass = this.#passes().then((next) => {
      this.#pass = undefined
      // Somebody may have kicked after the last look was over.
      if (this.#again) this.kick()
      else if (!this.#stopped) this.#timer = setTimeout(() => this.kick(), next).unref()
    })
  }

  /** Begins no more work, and waits until the work under way is settled. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#pass
    await Promise.all(this.#requests)
    await Promise.all(this.#flushes.values())
    await this.#parts.sender.close()
    await this.#parts.setSender.close()
  }

  async #passes(): Promise<number> {
    try {
      while (this.#again && !this.#stopped) {
        const early = LOOK_MS - (performance.now() - this.#lookedAt)
        if (early > 0) await pause(early)
        this.#again = false
        this.#lookedAt = performance.now()
        await this.#look()
      }
      const soon = this.#hasEndpoints && (this.#waits || this.#parts.polling.streams.length > 0)
      return soon ? Math.max(BUSY_MS, RARER * (performance.now() - this.#lookedAt)) : IDLE_MS
    } catch (error) {
      this.#parts.failed(error)
      return IDLE_MS
    }
  }

  async #look(): Promise<void> {
    const { db, polling } = this.#parts
    const now = performance.now()
    if (now - this.#askedAt > ASK_FOR_ENDPOINTS_MS) {
      this.#askedAt = now
      this.#hasEndpoints = await anyEndpoint(db)
    }
    if (!this.#hasEndpoints) return
    if (now - this.#mendedAt > (this.#mended === undefined ? MEND_MS : STRETCH_MS)) {
      this.#mendedAt = now
      this.#mended = await mendQueues(db, this.#mended)
    }
    const except = [...this.#underWay].filter(([id, count]) => count >= this.#paces.of(id).limit).map(([id]) => id)
    const due = await dueDeliveries(db, { except, polling: polling.streams, after: this.#after, turn: this.#turn })
    this.#parts.looked()
    const { endpoints, waits, next, nextTurn } = due
    this.#waits = waits || this.#after !== undefined
    this.#after = next
    this.#turn = nextTurn
    if (next !== undefined) this.#again = true
    const queue = fromAnywhere(endpoints).values()
    const claim = async () => {
      for (const endpoint of queue) {
        if (endpoint.stream?.method === 'poll') polling.wake(endpoint.id)
        else if (endpoint.resting) await this.#probe(endpoint)
        else await this.#claim(endpoint)
      }
    }
    await Promise.all(Array.from({ length: CLAIMING_AT_ONCE }, claim))
  }

  /** Claims for each tenant its share of what the endpoint has room for: first what tells of people who left, then anything. */
  async #claim(endpoint: DueEndpoint): Promise<void> {
    const { id, urgent, tenants } = endpoint
    for (const which of ['urgent', 'any'] as const) {
      const turns = fromAnywhere(which === 'urgent' ? urgent : tenants)
      for (const [i, tenantId] of turns.entries()) {
        const mine = this.#underWay.get(id) ?? 0
        const room = Math.min(this.#paces.of(id).limit - mine, Math.max(IN_ALL - this.#requests.size, AT_LEAST - mine))
        if (this.#stopped || room <= 0) return
        await this.#claimFor(endpoint, tenantId, which, Math.ceil(room / (turns.length - i)))
      }
    }
  }

  /** Sends an endpoint that rests one event, to see whether it is back. Of all instances one does so, for all of them. */
  async #probe(endpoint: DueEndpoint): Promise<void> {
    const { db } = this.#parts
    if (this.#stopped || !(await takeProbe(db, endpoint.id))) return
    for (const tenantId of new Set([...endpoint.urgent, ...fromAnywhere(endpoint.tenants)]))
      if ((await this.#claimFor(endpoint, tenantId, 'probe', 1)) > 0) return
    await giveProbeBack(db, endpoint.id)
  }

  /** Claims and begins to send up to `most` events of one tenant, as its host's budget allows; gives how many. */
  async #claimFor(endpoint: DueEndpoint, tenantId: TenantId, which: ClaimFor, most: number): Promise<number> {
    const { db, hosts } = this.#parts
    const free = hosts.take(endpoint.url, most)
    if (free === 0) return 0
    let used = 0
    try {
      const claims = await webhookQueueOf(db, tenantId, endpoint.id).claim(free, which)
      used = claims.length
      for (const claimed of claims) this.#begin(endpoint, tenantId, claimed)
      return used
    } finally {
      hosts.giveBack(endpoint.url, free - used)
    }
  }

  /** Sends what was claimed; the host's budget has room for it. */
  #begin(endpoint: DueEndpoint, tenantId: TenantId, claimed: ClaimedDelivery): void {
    const { id, url } = endpoint
    this.#underWay.set(id, (this.#underWay.get(id) ?? 0) + 1)
    const request = this.#deliver(endpoint, tenantId, claimed)
      .catch(this.#parts.failed)
      .finally(() => {
        this.#parts.hosts.over(url)
        this.#requests.delete(request)
        const left = (this.#underWay.get(id) ?? 1) - 1
        if (left > 0) this.#underWay.set(id, left)
        else this.#underWay.delete(id)
        this.kick()
      })
    this.#requests.add(request)
  }

  async #deliver(endpoint: DueEndpoint, tenantId: TenantId, claimed: ClaimedDelivery): Promise<void> {
    const { event, attempts } = claimed
    const pace = this.#paces.of(endpoint.id)
    const begun = pace.begin()
    const outcome = await this.#send(endpoint, tenantId, claimed)
    if (!outcome.ok) return this.#missed(endpoint, tenantId, claimed, outcome, begun)
    const recovered = pace.failing || endpoint.resting || endpoint.failures > 0
    pace.succeeded(begun, event.resourceId)
    this.#settle(endpoint.id, tenantId, { position: event.position, attempts }, recovered)
  }

  /** Stores that an event was not taken, and what that says about its endpoint. */
  async #missed(
    endpoint: DueEndpoint,
    tenantId: TenantId,
    { event, attempts, age }: ClaimedDelivery,
    outcome: Extract<PushOutcome, { ok: false }>,
    begun: number,
  ): Promise<void> {
    const { db, disabled } = this.#parts
    const { status, error, retryAfterMs, refused, receiverIsWell } = outcome
    const { giveUpAfterMs, disableAfterMs, restMs, firstMs } = this.#retries
    let failingMs: number | undefined
    if (receiverIsWell) {
      if (endpoint.resting) await endpointSucceeded(db, endpoint.id)
    } else {
      // 410 says that the receiver will accept nothing again (Standard Webhooks).
      const gone = status === 410
      const reason = gone ? 'The receiver answered 410.' : `Nothing was taken for too long: ${error}.`
      const pace = this.#paces.of(endpoint.id)
      const isDown = pace.failed(begun, event.resourceId)
      if (isDown || endpoint.resting) pace.rest()
      const trouble = await endpointFailed(db, endpoint.id, {
        ...{ verdict: endpoint.resting ? 'still down' : isDown ? 'down' : 'one of many', restMs, retryAfterMs },
        ...{ disableAfterMs: gone ? 0 : disableAfterMs, reason },
      })
      failingMs = trouble?.failingMs
      if (trouble?.disabled) disabled(endpoint.id, reason)
    }
    // What was sent to an endpoint that rests waits no longer than the rest.
    const backoff = endpoint.resting ? firstMs : retryDelay(this.#retries, { attempts, ageMs: age, failingMs })
    await webhookQueueOf(db, tenantId, endpoint.id).failed({
      ...{ position: event.position, attempts, status, error, taken: outcome.taken },
      retryAfterMs: Math.max(backoff, retryAfterMs),
      giveUp: refused === true || age >= giveUpAfterMs,
    })
  }

  /** Gathers successes for a moment, so that one statement records many; of each queue one at a time does. */
  #settle(endpointId: string, tenantId: TenantId, done: SettledDelivery, recovered: boolean): void {
    const { db, failed } = this.#parts
    const key = `${tenantId} ${endpointId}`
    const gathered = this.#done.get(key)
    if (gathered !== undefined) {
      gathered.list.push(done)
      gathered.recovered ||= recovered
      return
    }
    const batch: Settled = { list: [done], recovered }
    this.#done.set(key, batch)
    const flush = Promise.all([pause(GATHER_MS), this.#flushes.get(key)])
      .then(async () => {
        this.#done.delete(key)
        await webhookQueueOf(db, tenantId, endpointId).delivered(batch.list)
        if (batch.recovered) await endpointSucceeded(db, endpointId)
        this.kick()
      })
      .catch(failed)
      .finally(() => this.#flushes.get(key) === flush && this.#flushes.delete(key))
    this.#flushes.set(key, flush)
  }
}

/** Events of one tenant that one endpoint has taken. */
interface Settled {
  readonly list: SettledDelivery[]
  /** Whether the endpoint had failed before. */
  recovered: boolean
}
