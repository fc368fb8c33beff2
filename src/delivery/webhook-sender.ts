import type { lookup } from 'node:dns'
import { Webhook } from 'standardwebhooks'
import { request } from 'undici'
import { addressProblem, type Networks } from '../context/delivery-address.ts'
import { publicAgent } from '../context/public-agent.ts'

/** A message for one address, as Standard Webhooks puts it. */
export interface WebhookMessage {
  readonly url: string
  /** The same however often it is sent. */
  readonly id: string
  readonly body: string
  /** One, or two while the older one is still good. */
  readonly secrets: readonly string[]
}

/** What came of it; `error` is in words for the operator, without anything that the receiver wrote. */
export type SendOutcome =
  | { readonly ok: true; readonly status: number }
  | { readonly ok: false; readonly status: number | null; readonly error: string; readonly retryAfterMs: number }

/** Sends messages to public addresses, and to those in `networks`. */
export interface WebhookSender {
  send(message: WebhookMessage): Promise<SendOutcome>
  close(): Promise<void>
}

const CONNECT_MS = 5_000
/** Time for the whole attempt. A receiver that takes longer should put the work off. */
const ATTEMPT_MS = 10_000
const MAX_ANSWER_BYTES = 16_384
const LONGEST_RETRY_AFTER_S = 3_600

/** @param resolve looks names up; for tests */
export function webhookSender(networks: Networks, resolve?: typeof lookup): WebhookSender {
  const agent = publicAgent(networks, CONNECT_MS, resolve)

  return {
    async send({ url, id, body, secrets }) {
      const problem = addressProblem(url, networks)
      if (problem !== undefined) return failure(null, `the address ${problem}`)
      const now = new Date()
      try {
        // Redirects are not followed: they are answers like any other that is not a success.
        const answer = await request(url, {
          method: 'POST',
          dispatcher: agent,
          headers: {
            'Content-Type': 'application/json',
            'User-Agent': 'Rollcall',
            'webhook-id': id,
            'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
            'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, now, body)).join(' '),
          },
          body,
          signal: AbortSignal.timeout(ATTEMPT_MS),
        })
        await answer.body.dump({ limit: MAX_ANSWER_BYTES, signal: AbortSignal.timeout(ATTEMPT_MS) }).catch(() => {})
        const { statusCode: status } = answer
        if (status >= 200 && status < 300) return { ok: true, status }
        const seconds = Number(answer.headers['retry-after'])
        const retryAfterMs = seconds > 0 ? Math.min(seconds, LONGEST_RETRY_AFTER_S) * 1000 : 0
        const redirects = status >= 300 && status < 400 ? '; redirects are not followed' : ''
        return failure(status, `the receiver answered ${status}${redirects}`, retryAfterMs)
      } catch (error) {
        return failure(null, inWords(error))
      }
    },
    close: () => agent.close(),
  }
}

const failure = (status: number | null, error: string, retryAfterMs = 0): SendOutcome => ({
  ...{ ok: false, status, error, retryAfterMs },
})

const WORDS: Readonly<Record<string, string>> = {
  REFUSED_ADDRESS: 'the name leads to an address that is not public',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name could not be looked up',
  EHOSTUNREACH: 'the address cannot be reached',
  ENETUNREACH: 'the address cannot be reached',
  UND_ERR_CONNECT_TIMEOUT: 'no connection came about in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer came in time',
  UND_ERR_SOCKET: 'the connection was closed without an answer',
}

function inWords(error: unknown): string {
  if (!(error instanceof Error)) return 'it could not be sent'
  if (error.name === 'TimeoutError') return 'no answer came in time'
  const [first] = error instanceof AggregateError ? error.errors : [error]
  const code = String((first as { code?: unknown }).code ?? '')
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(code)) return `the certificate or TLS of the receiver fails: ${code}`
  return WORDS[code] ?? `it could not be sent${code === '' ? '' : `: ${code}`}`
}
