import type { Database } from '../db/database.ts'
import { type BesideEvent, eventText, type LoggedEvent } from '../events/event.ts'
import type { Tracing } from '../observability/tracing/tracing.ts'
import type { TenantId } from '../place-ids.ts'
import type { DueEndpoint } from '../repositories/delivery/due-deliveries.ts'
import type { ClaimedDelivery } from '../repositories/delivery/webhook-queue.ts'
import type { SecretBox } from '../signing/secret-box.ts'
import { besideEvents, needsLookUp } from './event-snapshots.ts'
import { failure } from './sending/outgoing.ts'
import type { SetSender } from './sending/set-sender.ts'
import { type WebhookSender, webhookText } from './sending/webhook-sender.ts'
import { type PushOutcome, pushTokens } from './stream-push.ts'
import type { StreamTokens } from './stream-tokens.ts'

/** What sends an event to an endpoint of either kind. */
export interface SendingTools {
  readonly db: Database
  readonly box: SecretBox
  readonly sender: WebhookSender
  readonly setSender: SetSender
  readonly tokens: StreamTokens
  /** Undefined where nothing is traced. */
  readonly tracing?: Tracing | undefined
  /** Told of each attempt, and whether the receiver has accepted the event; undefined where nothing is measured. */
  readonly sent?: ((kind: 'webhook' | 'stream', accepted: boolean, ms: number) => void) | undefined
}

/** Sends one event to one endpoint. */
export type EventSender = (to: DueEndpoint, tenantId: TenantId, claimed: ClaimedDelivery) => Promise<PushOutcome>

/** So many opened secrets are remembered: to open one takes as long as all else before a message is sent. */
const SECRETS_KEPT = 1_000

/** Sends events to webhooks as signed messages, and to streams as Security Event Tokens. */
export function eventSender(tools: SendingTools): EventSender {
  const { db, box, sender, sent, tracing } = tools
  const opened = new Map<string, string>()
  const open = async (sealed: string, owner: string): Promise<string | undefined> => {
    const known = opened.get(sealed)
    if (known !== undefined) return known
    const secret = await box.open(sealed, owner)
    if (opened.size >= SECRETS_KEPT) opened.clear()
    if (secret !== undefined) opened.set(sealed, secret)
    return secret
  }
  const send: Send = async (to, tenantId, claimed, traceparent) => {
    const { id, stream, previousSecret } = to
    if (stream !== null) return pushTokens(tools, { ...to, stream }, tenantId, claimed, traceparent)
    const sealed = previousSecret === null ? [to.secret] : [to.secret, previousSecret]
    const secrets = (await Promise.all(sealed.map((one) => open(one, id)))).filter((secret) => secret !== undefined)
    if (secrets.length === 0) return failure(null, 'the secret cannot be opened; rotate it')
    const { event } = claimed
    const beside = needsLookUp(event, to.snapshot)
      ? (await besideEvents(db, tenantId, [event], to.snapshot))(event)
      : undefined
    const body = webhookBody(event, tenantId, beside)
    return sender.send({ url: to.url, id: event.id, body, secrets, traceparent })
  }
  return measured(sent, tracing === undefined ? send : traced(tracing, send))
}

type Send = (...args: [...Parameters<EventSender>, traceparent?: string]) => Promise<PushOutcome>

/** Sends below a span of its own. */
function traced(tracing: Tracing, send: Send): EventSender {
  return (to, tenantId, claimed) => {
    const { id: eventId, type: eventType, requestId, occurredAt } = claimed.event
    const facts = {
      ...{ kind: to.stream === null ? ('webhook' as const) : ('stream' as const), endpointId: to.id, tenantId },
      ...{ eventId, eventType, requestId, occurredAt, attempts: claimed.attempts },
    }
    return tracing.delivery(facts, (traceparent) => send(to, tenantId, claimed, traceparent))
  }
}

function measured(sent: SendingTools['sent'], send: EventSender): EventSender {
  if (sent === undefined) return send
  return async (to, ...event) => {
    const begun = performance.now()
    const outcome = await send(to, ...event)
    sent(to.stream === null ? 'webhook' : 'stream', outcome.ok, performance.now() - begun)
    return outcome
  }
}

/** The message for an event, as Standard Webhooks recommends it: JSON text. */
export const webhookBody = (event: LoggedEvent, tenantId: TenantId, beside?: BesideEvent): string =>
  webhookText(event.type, new Date(event.occurredAt).toISOString(), eventText(event, tenantId, beside))
