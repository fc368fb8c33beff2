import { createHmac } from 'node:crypto'
import type { lookup } from 'node:dns'
import type { Networks } from '../../network/delivery-address.ts'
import { outgoing, type SendOutcome, unsuccessful } from './outgoing.ts'

/** A message for one address, as Standard Webhooks puts it. */
export interface WebhookMessage {
  readonly url: string
  /** The same however often it is sent. */
  readonly id: string
  readonly body: string
  /** One, or two while the older one is still good. */
  readonly secrets: readonly string[]
  /** Names the trace that the receiver may go on with (W3C Trace Context); undefined where nothing is traced. */
  readonly traceparent?: string | undefined
}

/** Sends messages to public addresses, and to those in `networks`. */
export interface WebhookSender {
  send(message: WebhookMessage): Promise<SendOutcome>
  close(): Promise<void>
}

/** @param resolve looks names up; for tests */
export function webhookSender(networks: Networks, resolve?: typeof lookup): WebhookSender {
  const { post, close } = outgoing(networks, resolve)
  return {
    async send({ url, id, body, secrets, traceparent }) {
      const headers = {
        ...signedHeaders({ id, body, secrets }, new Date()),
        ...(traceparent === undefined ? {} : { traceparent }),
      }
      const answer = await post(url, headers, body)
      if ('ok' in answer) return answer
      const { status } = answer
      return status >= 200 && status < 300 ? { ok: true, status } : unsuccessful(answer)
    },
    close,
  }
}

const SECRET_PREFIX = 'whsec_'

/**
 * The signature of a message by Standard Webhooks, version 1, at a time in whole seconds. The tests verify it
 * by the package of that name, which computes SHA-256 in JavaScript and signs more slowly.
 */
function signature(secret: string, { id, seconds, body }: { id: string; seconds: string; body: string }): string {
  const key = Buffer.from(secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret, 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`
}

/** The headers of a message that is sent now, with a signature for each secret. */
export const signedHeaders = (
  { id, body, secrets }: Pick<WebhookMessage, 'id' | 'body' | 'secrets'>,
  now: Date,
): Readonly<Record<string, string>> => {
  const seconds = String(Math.floor(now.getTime() / 1000))
  return {
    'Content-Type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': seconds,
    'webhook-signature': secrets.map((secret) => signature(secret, { id, seconds, body })).join(' '),
  }
}

/** The message for an event, as Standard Webhooks recommends it: JSON text. `data` is the event as JSON text. */
export const webhookText = (type: string, timestamp: string, data: string): string =>
  `{"type":${JSON.stringify(type)},"timestamp":"${timestamp}","data":${data}}`
