/** What a receiver does with the messages that it takes, by their type. */
export type Handlers<Types extends object, Any> = {
  readonly [Type in keyof Types]?: (message: Types[Type]) => unknown
} & {
  /** For every type without a handler of its own. */
  readonly '*'?: (message: Any) => unknown
}

/** A message was not as it has to be: it is forged, too old, or not for this receiver. Nothing of it was handled. */
export class NotAccepted extends Error {
  override readonly name = 'NotAccepted'
  /** What RFC 8935 §2.4 calls it, for Security Event Tokens. */
  readonly code: 'invalid_request' | 'invalid_key' | 'invalid_issuer' | 'invalid_audience' | 'authentication_failed'

  constructor(message: string, code: NotAccepted['code'] = 'authentication_failed') {
    super(message)
    this.code = code
  }
}

/** Calls the handler of a type, else the one for all others; a type without either is passed over. */
export async function dispatch(handlers: object, type: string, message: unknown): Promise<void> {
  const own = Object.hasOwn(handlers, type) ? type : '*'
  await (handlers as Readonly<Record<string, ((message: unknown) => unknown) | undefined>>)[own]?.(message)
}

/** The most that a message may have: a webhook of 1,000 members with a snapshot of its group is far below. */
export const MOST_BYTES = 4_194_304
