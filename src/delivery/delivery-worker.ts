import type { Database } from '../db/database.ts'
import { eventText, type LoggedEvent } from '../events/event.ts'
import type { TenantId } from '../place-ids.ts'
import {
  type ClaimedDelivery,
  type DueEndpoint,
  dueEndpoints,
  endpointFailed,
  endpointSucceeded,
  mendQueues,
  webhookQueueOf,
} from '../repositories/delivery/webhook-queue.ts'
import { anyEndpoint } from '../repositories/delivery/webhooks.ts'
import type { SecretBox } from '../signing/secret-box.ts'
import { snapshotsFor } from './event-snapshots.ts'
import type { HostBudgets } from './host-budgets.ts'
import { failure, type SendOutcome } from './outgoing.ts'
import type { Polling } from './polling.ts'
import type { SetSender } from './set-sender.ts'
import { type PushOutcome, pushTokens } from './stream-push.ts'
import type { StreamTokens } from './stream-tokens.ts'
import type { WebhookSender } from './webhook-sender.ts'

/** When a failed delivery is tried again, when it is given up, and when its endpoint is. Milliseconds. */
export interface RetrySchedule {
  readonly firstMs: number
  readonly growth: number
  readonly longestMs: number
  readonly giveUpAfterMs: number
  readonly disableAfterMs: number
}

const HOUR = 3_600_000
/** 5 s, 20 s, 80 s, 5 min, 21 min, 85 min, 6 h, 8 h, 8 h, …; for three days. */
export const RETRIES: RetrySchedule = {
  firstMs: 5_000,
  growth: 4,
  longestMs: 8 * HOUR,
  giveUpAfterMs: 72 * HOUR,
  disableAfterMs: 120 * HOUR,
}

/** What the worker is made from. */
export interface WorkerParts {
  readonly db: Database
  readonly box: SecretBox
  readonly sender: WebhookSender
  readonly setSender: SetSender
  readonly tokens: StreamTokens
  /** Receivers that wait for what is due on polled streams. */
  readonly polling: Polling
  /** What each receiving host may be asked, all endpoints together. */
  readonly hosts: HostBudgets
  /** Told of what went wrong on our side. */
  readonly failed: (error: unknown) => void
  /** Told when an endpoint was disabled because it accepts nothing any more. */
  readonly disabled: (endpointId: string, reason: string) => void
  readonly retries?: RetrySchedule
}

/** Requests under way to one endpoint. While it fails there is only one, to see whether it is back. */
const AT_ONCE = 32
/** Requests that one instance has under way, so that it stays awake for clients; and claims, so that clients find connections. */
const IN_ALL = 96
/** An endpoint may always have so many, even if others keep the instance busy. */
const AT_LEAST = 2
const CLAIMING_AT_ONCE = 2
const ASK_FOR_ENDPOINTS_MS = 500
const BUSY_MS = 200
const IDLE_MS = 1_000
const MEND_MS = 60_000
/** One statement records the successes of so many milliseconds. */
const GATHER_MS = 20

/**
 * Sends queued events to webhooks, and to streams that are pushed. Any number of instances share the work. Each claims what it
 * sends; what an instance claims and does not settle falls due again. The store knows everything that the worker knows.
 */
export class DeliveryWorker {
  readonly #parts: WorkerParts
  readonly #retries: RetrySchedule
  readonly #underWay = new Map<string, number>()
  readonly #requests = new Set<Promise<void>>()
  readonly #done = new Map<string, { tenantId: TenantId; endpointId: string; list: Settled[] }>()
  readonly #flushes = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #pass: Promise<void> | undefined
  #again = false
  #stopped = false
  #hasEndpoints = false
  #askedAt = Number.NEGATIVE_INFINITY
  #mendedAt = Number.NEGATIVE_INFINITY

  constructor(parts: WorkerParts) {
    this.#parts = parts
    this.#retries = parts.retries ?? RETRIES
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
      if (!this.#stopped) this.#timer = setTimeout(() => this.kick(), next).unref()
    })
  }

  /** Begins no more work, and waits until the work under way is settled. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#pass
    await Promise.all(this.#requests)
    await Promise.all(this.#flushes)
    await this.#parts.sender.close()
    await this.#parts.setSender.close()
  }

  async #passes(): Promise<number> {
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false
        await this.#look()
      }
      return this.#hasEndpoints ? BUSY_MS : IDLE_MS
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
    if (now - this.#mendedAt > MEND_MS) {
      this.#mendedAt = now
      await mendQueues(db)
    }
    const full = [...this.#underWay].filter(([, count]) => count >= AT_ONCE).map(([id]) => id)
    const due = await dueEndpoints(db, full, polling.streams)
    // Each pass begins at another endpoint, so that endpoints with the same host, or of a busy instance, get equal turns.
    const first = Math.floor(Math.random() * due.length)
    const queue = [...due.slice(first), ...due.slice(0, first)].values()
    const claim = async () => {
      for (const endpoint of queue) {
        if (endpoint.stream?.method === 'poll') polling.wake(endpoint.id)
        else await this.#claim(endpoint)
      }
    }
    await Promise.all(Array.from({ length: CLAIMING_AT_ONCE }, claim))
  }

  async #claim(endpoint: DueEndpoint): Promise<void> {
    const { id, tenants, failures } = endpoint
    const { hosts } = this.#parts
    const most = failures > 0 ? 1 : AT_ONCE
    for (const tenantId of tenants) {
      const mine = this.#underWay.get(id) ?? 0
      const ours = Math.max(IN_ALL - this.#requests.size, AT_LEAST - mine)
      if (this.#stopped) return
      const free = hosts.take(endpoint.url, Math.min(most - mine, ours))
      if (free === 0) return
      let used = 0
      try {
        const claims = await webhookQueueOf(this.#parts.db, tenantId, id).claim(free)
        used = claims.length
        for (const claimed of claims) this.#begin(endpoint, tenantId, claimed)
      } finally {
        hosts.giveBack(endpoint.url, free - used)
      }
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
    const { event, attempts, age } = claimed
    const outcome = await this.#send(endpoint, claimed, tenantId)
    if (outcome.ok) return this.#settle(endpoint, tenantId, { position: event.position, attempts })
    const { db, disabled } = this.#parts
    const { firstMs, growth, longestMs, giveUpAfterMs, disableAfterMs } = this.#retries
    const backoff = Math.min(firstMs * growth ** (attempts - 1), longestMs) * (0.8 + Math.random() * 0.4)
    await webhookQueueOf(db, tenantId, endpoint.id).failed({
      ...{ position: event.position, attempts, status: outcome.status, error: outcome.error },
      retryAfterMs: Math.max(backoff, outcome.retryAfterMs),
      giveUp: outcome.refused === true || age >= giveUpAfterMs,
      taken: outcome.taken,
    })
    if (outcome.receiverIsWell) return
    // 410 says that the receiver will accept nothing again (Standard Webhooks).
    const gone = outcome.status === 410
    const reason = gone ? 'The receiver answered 410.' : `Nothing was taken for too long: ${outcome.error}.`
    const after = { disableAfterMs: gone ? 0 : disableAfterMs, reason }
    if (await endpointFailed(db, endpoint.id, after)) disabled(endpoint.id, reason)
  }

  async #send(endpoint: DueEndpoint, claimed: ClaimedDelivery, tenantId: TenantId): Promise<PushOutcome> {
    const { id, stream } = endpoint
    if (stream !== null) return pushTokens(this.#parts, { ...endpoint, id, stream }, tenantId, claimed)
    return this.#sendMessage(endpoint, claimed.event, tenantId)
  }

  async #sendMessage(endpoint: DueEndpoint, event: LoggedEvent, tenantId: TenantId): Promise<SendOutcome> {
    const { db, box, sender } = this.#parts
    const sealed = [endpoint.secret, ...(endpoint.previousSecret === null ? [] : [endpoint.previousSecret])]
    const secrets = await Promise.all(sealed.map((secret) => box.open(secret, endpoint.id)))
    const known = secrets.filter((secret) => secret !== undefined)
    if (known.length === 0) return failure(null, 'the secret cannot be opened; rotate it')
    const snapshot = endpoint.snapshot ? (await snapshotsFor(db, tenantId, [event]))(event) : undefined
    return sender.send({
      url: endpoint.url,
      id: event.id,
      body: webhookBody(event, tenantId, snapshot),
      secrets: known,
    })
  }

  /** Gathers successes for a moment, so that one statement records many. */
  #settle({ id: endpointId, failures }: DueEndpoint, tenantId: TenantId, done: Settled): Promise<void> | undefined {
    const key = `${tenantId} ${endpointId}`
    const gathered = this.#done.get(key)
    if (gathered !== undefined) {
      gathered.list.push(done)
      return undefined
    }
    const batch = { tenantId, endpointId, list: [done] }
    this.#done.set(key, batch)
    const flush = new Promise<void>((resolve) => setTimeout(resolve, GATHER_MS))
      .then(async () => {
        this.#done.delete(key)
        await webhookQueueOf(this.#parts.db, tenantId, endpointId).delivered(batch.list)
        if (failures > 0) await endpointSucceeded(this.#parts.db, endpointId)
        this.kick()
      })
      .catch(this.#parts.failed)
      .finally(() => this.#flushes.delete(flush))
    this.#flushes.add(flush)
    return undefined
  }
}

interface Settled {
  readonly position: number
  readonly attempts: number
}

/** The message for an event, as Standard Webhooks recommends it: JSON text. */
export const webhookBody = (event: LoggedEvent, tenantId: TenantId, snapshot?: string): string =>
  `{"type":${JSON.stringify(event.type)},"timestamp":"${new Date(event.occurredAt).toISOString()}","data":${eventText(event, tenantId, snapshot)}}`
