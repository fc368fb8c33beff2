import { Webhook } from 'standardwebhooks'
import { dispatch, type Handlers, MOST_BYTES, NotAccepted } from './dispatch.ts'
import type { AnyEvent, EventOf, EventType } from './events.ts'
import { type NodeHandler, nodeHandler } from './node.ts'

/** Handlers of events by their types; `'*'` has those without one. */
export type EventHandlers = Handlers<{ readonly [Type in EventType]: EventOf<Type> }, AnyEvent>

/** How a receiver of webhooks works. */
export interface WebhookReceiverOptions {
  /**
   * The webhook's secret, `whsec_…`. While it is rotated give both, the new one and the old one: a message that either has signed
   * is good.
   */
  readonly secret: string | readonly string[]
  readonly on: EventHandlers
  /** How old a message may be, and how far its time may be ahead; 300 seconds by default, and no more. */
  readonly toleranceSeconds?: number
  /**
   * Whether an event was handled before, by its id. Each comes at least once, so that some come twice. An event that was seen is
   * answered with 200, and no handler is called.
   */
  readonly seen?: (id: string) => boolean | Promise<boolean>
}

/** A receiver of webhooks. */
export interface WebhookReceiver {
  /** For everything that speaks Fetch: a route handler of Next.js, Hono (`(c) => hooks.fetch(c.req.raw)`), Bun, Deno, Workers. */
  readonly fetch: (request: Request) => Promise<Response>
  /** For Express and `node:http`. Mount it where no body parser has read the body before. */
  readonly node: NodeHandler
}

/** The headers of a message, as `Headers` or as an object. */
export type HeadersOf = Headers | Readonly<Record<string, string | readonly string[] | undefined>>

const LONGEST_TOLERANCE = 300

/**
 * Verifies a message of a webhook over its raw body, in constant time, and gives its event.
 *
 * @throws {NotAccepted} for a message that no secret has signed, or that is too old or from the future
 * @throws {TypeError} for a secret that is none
 */
export function verifyWebhook(
  rawBody: string,
  headers: HeadersOf,
  { secret, toleranceSeconds = LONGEST_TOLERANCE }: Pick<WebhookReceiverOptions, 'secret' | 'toleranceSeconds'>,
): AnyEvent {
  const signed = Object.fromEntries(
    ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => [name, headerIn(headers, name)]),
  )
  const opened = openersOf(secret).map((webhook) => {
    try {
      return { message: webhook.verify(rawBody, signed) as { readonly data: AnyEvent } }
    } catch (error) {
      return { reason: error instanceof Error ? error.message : String(error) }
    }
  })
  const found = opened.find(({ message }) => message !== undefined)
  if (found?.message === undefined) throw new NotAccepted(`The message is not accepted: ${opened[0]?.reason}.`)
  const age = Math.abs(Date.now() / 1_000 - Number(signed['webhook-timestamp']))
  if (age > Math.min(toleranceSeconds, LONGEST_TOLERANCE))
    throw new NotAccepted('The message is not accepted: its time is not that of this receiver.')
  const { type, data } = found.message as unknown as { readonly type: string; readonly data: AnyEvent }
  // `webhook.test`, by which an operator sees whether messages arrive, has no event.
  return data.type === undefined ? ({ ...data, type } as AnyEvent) : data
}

/**
 * A receiver of webhooks: it verifies each message, then calls the handler of the event's type. It answers 200 once the handler is
 * done, 401 for a message that is not accepted, and 500 where a handler throws; the gateway then sends the event again.
 *
 *     export const { fetch: POST } = webhookReceiver({ secret, on: { 'user.deactivated': (event) => endSessions(event) } })
 */
export function webhookReceiver(options: WebhookReceiverOptions): WebhookReceiver {
  // A secret in another form is found at the start, and not with the first message.
  openersOf(options.secret)
  const handle = async (request: Request): Promise<Response> => {
    if (request.method !== 'POST') return said(405, 'Send a POST.', { Allow: 'POST' })
    const rawBody = await request.text()
    if (rawBody.length > MOST_BYTES) return said(413, 'The message is too large.')
    let event: AnyEvent
    try {
      event = verifyWebhook(rawBody, request.headers, options)
    } catch (error) {
      if (error instanceof NotAccepted) return said(401, error.message)
      throw error
    }
    if (event.id !== undefined && (await options.seen?.(event.id))) return said(200, 'It was handled before.')
    await dispatch(options.on, event.type, event)
    return said(200, 'Handled.')
  }
  const inWords = async (request: Request) => {
    try {
      return await handle(request)
    } catch (error) {
      console.error('a webhook of Rollcall could not be handled, and comes again:', error)
      return said(500, 'It could not be handled.')
    }
  }
  return { fetch: inWords, node: nodeHandler(inWords) }
}

const openersOf = (secret: string | readonly string[]): readonly Webhook[] => {
  const secrets = (typeof secret === 'string' ? [secret] : secret).filter((one) => one !== '')
  if (secrets.length === 0) throw new TypeError('The receiver needs the secret of its webhook.')
  return secrets.map((one) => new Webhook(one))
}

function headerIn(headers: HeadersOf, name: string): string {
  if (headers instanceof Headers) return headers.get(name) ?? ''
  const [, value = ''] = Object.entries(headers).find(([one]) => one.toLowerCase() === name) ?? []
  return typeof value === 'string' ? value : value.join(' ')
}

const said = (status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response =>
  new Response(`${text}\n`, { status, headers: { 'Content-Type': 'text/plain; charset=UTF-8', ...headers } })
