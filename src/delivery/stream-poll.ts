import type { Database } from '../db/database.ts'
import { claimMessages, MOST_MESSAGES, messagesDone } from '../repositories/delivery/stream-messages.ts'
import { type DueOnStream, dueOnStream, type HandedOut, streamQueueOf } from '../repositories/delivery/stream-queue.ts'
import { webhookQueueOf } from '../repositories/delivery/webhook-queue.ts'
import { tenantsFor } from '../repositories/delivery/webhooks.ts'
import { isUuid } from '../tenancy/scim-path.ts'
import type { Polling } from './polling.ts'
import { refusalOf } from './sending/set-sender.ts'
import { placeOfToken, type Stream, type StreamTokens } from './stream-tokens.ts'

/** What a receiver says when it polls (RFC 8936 §2.2). */
export interface PollRequest {
  readonly maxEvents: number
  /** Names of tokens that it has accepted. */
  readonly ack: readonly string[]
  /** Names of tokens that it refuses, with a code of RFC 8935 §2.4. */
  readonly setErrs: Readonly<Record<string, { readonly err: string }>>
  /** How long it would wait for something. */
  readonly waitMs: number
  readonly signal: AbortSignal
}

/** What it is told (RFC 8936 §2.3): tokens by their names. */
export interface PollAnswer {
  readonly sets: Readonly<Record<string, string>>
  readonly moreAvailable: boolean
}

export interface PollTools {
  readonly tokens: StreamTokens
  readonly polling: Polling
}

/** Settles what the receiver acknowledges, and hands out what is due. What it does not acknowledge comes again. */
export async function pollStream(
  db: Database,
  tools: PollTools,
  stream: Stream,
  { maxEvents, ack, setErrs, waitMs, signal }: PollRequest,
): Promise<PollAnswer> {
  await settle(db, tools, stream, ack, setErrs)
  if (maxEvents === 0) return { sets: {}, moreAvailable: isAny(await dueOnStream(db, stream.id)) }
  const until = performance.now() + waitMs
  for (;;) {
    const sets = await handOut(db, tools, stream, maxEvents)
    const left = until - performance.now()
    const { polling } = tools
    if (Object.keys(sets).length > 0 || left <= 0 || signal.aborted || polling.drained)
      return { sets, moreAvailable: isAny(await dueOnStream(db, stream.id)) }
    await polling.wait(stream.id, left, signal)
  }
}

const isAny = ({ tenants, messages }: DueOnStream): boolean => tenants.length > 0 || messages

/** Hands out what is told about the stream itself, then what is told of its tenants. */
async function handOut(
  db: Database,
  { tokens }: PollTools,
  stream: Stream,
  most: number,
): Promise<Record<string, string>> {
  const sets: Record<string, string> = {}
  const { tenants, messages } = await dueOnStream(db, stream.id)
  if (messages)
    for (const message of await claimMessages(db, stream.id, Math.min(most, MOST_MESSAGES)))
      sets[message.id] = await tokens.about(stream, message)
  let free = most - Object.keys(sets).length
  for (const tenantId of tenants) {
    if (free === 0) break
    const queue = webhookQueueOf(db, tenantId, stream.id)
    const claimed = await queue.claim(free)
    const made = await tokens.of(
      db,
      stream,
      tenantId,
      claimed.map(({ event }) => event),
    )
    const empty: typeof claimed = []
    const over: number[] = []
    for (const one of claimed) {
      const { position } = one.event
      const open = (made.get(position) ?? []).filter(({ bit }) => (one.taken & bit) === 0)
      if (open.length === 0) empty.push(one)
      else if (free === 0) over.push(position)
      for (const { jti, sign } of open.slice(0, free)) sets[jti] = await sign()
      free -= Math.min(open.length, free)
    }
    if (empty.length > 0)
      await queue.delivered(empty.map(({ event, attempts }) => ({ position: event.position, attempts })))
    if (over.length > 0) await streamQueueOf(db, tenantId, stream.id).putBack(over)
  }
  return sets
}

/** Ignores names that are none of this stream's, or of what is settled already. */
async function settle(
  db: Database,
  { tokens }: PollTools,
  stream: Stream,
  ack: readonly string[],
  setErrs: PollRequest['setErrs'],
): Promise<void> {
  const byTenant = new Map<string, Set<number>>()
  const named = [...ack, ...Object.keys(setErrs)]
  await messagesDone(db, stream.id, named.filter(isUuid))
  for (const jti of named) {
    const place = placeOfToken(jti)
    if (place === undefined) continue
    byTenant.set(place.tenant, (byTenant.get(place.tenant) ?? new Set()).add(place.position))
  }
  if (byTenant.size === 0) return
  const acknowledged = new Set(ack)
  for (const tenantId of await tenantsFor(db, stream.id, [...byTenant.keys()])) {
    const positions = byTenant.get(tenantId) ?? []
    const handedOut = await streamQueueOf(db, tenantId, stream.id).handedOut([...positions])
    const made = await tokens.of(
      db,
      stream,
      tenantId,
      handedOut.map(({ event }) => event),
    )
    const queue = webhookQueueOf(db, tenantId, stream.id)
    const whole: HandedOut[] = []
    for (const one of handedOut) {
      const { position } = one.event
      const all = made.get(position) ?? []
      const refused = all.find(({ jti }) => Object.hasOwn(setErrs, jti))
      const error = refused === undefined ? null : refusalOf(setErrs[refused.jti]?.err ?? '')
      const bits = all
        .filter(({ jti }) => acknowledged.has(jti) || Object.hasOwn(setErrs, jti))
        .reduce((sum, { bit }) => sum | bit, 0)
      if (bits === 0) continue
      const why = error ?? one.lastError
      if (all.some(({ bit }) => ((one.taken | bits) & bit) === 0))
        await streamQueueOf(db, tenantId, stream.id).settledInPart(position, bits, error)
      else if (why === null) whole.push(one)
      else
        await queue.failed({
          ...{ position, attempts: one.attempts, status: null, error: why, retryAfterMs: 0, giveUp: true },
        })
    }
    if (whole.length > 0)
      await queue.delivered(whole.map(({ event, attempts }) => ({ position: event.position, attempts })))
  }
}
