import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../db/database.ts'
import { VERIFICATION } from '../events/security-events.ts'
import { authorizationIn } from '../events/stream-secret.ts'
import type { TenantId } from '../place-ids.ts'
import type { StreamMessage } from '../repositories/delivery/stream-messages.ts'
import type { ClaimedDelivery } from '../repositories/delivery/webhook-queue.ts'
import type { SecretBox } from '../signing/secret-box.ts'
import { failure, type SendFailure, type SendOutcome } from './sending/outgoing.ts'
import type { SetSender } from './sending/set-sender.ts'
import type { Stream, StreamTokens } from './stream-tokens.ts'

/** What came of pushing an event's tokens. After a failure, `taken` has those that the receiver accepted all the same. */
export type PushOutcome = SendOutcome & { readonly taken?: number }

/** What the push is made from. */
export interface PushTools {
  readonly db: Database
  readonly box: SecretBox
  readonly setSender: SetSender
  readonly tokens: StreamTokens
}

/** A stream with its address, and the sealed text that proves to the receiver who sends; empty for none. */
export interface PushStream extends Stream {
  readonly url: string
  readonly secret: string
}

// The last token is begun long before another instance may take the event over.
const BEGUN_WITHIN_MS = 10_000

/**
 * Pushes the tokens of an event that its receiver has not got yet, one after the other. After a refused token the next one goes
 * on; after any other failure none does, so that tokens keep their order.
 */
export async function pushTokens(
  { db, box, setSender, tokens }: PushTools,
  to: PushStream,
  tenantId: TenantId,
  { event, taken }: ClaimedDelivery,
  traceparent?: string,
): Promise<PushOutcome> {
  const authorization = await authorizationFor(box, to)
  if (authorization === null) return cannotOpen
  const made = await tokens.of(db, to, tenantId, [event])
  const begun = performance.now()
  let got = taken
  let refused: SendFailure | undefined
  for (const { bit, sign } of made.get(event.position) ?? []) {
    if ((got & bit) !== 0) continue
    if (performance.now() - begun > BEGUN_WITHIN_MS)
      return { ...failure(null, 'no time was left for all of its tokens'), receiverIsWell: true, taken: got }
    const outcome = await setSender.send(to.url, await sign(), authorization, traceparent)
    if (outcome.ok) got |= bit
    else if (outcome.refused) refused = outcome
    else return { ...outcome, taken: got }
  }
  return refused === undefined ? { ok: true, status: 202 } : { ...refused, taken: got }
}

/** Pushes a token that means nothing to a stream, disabled or not, so that an operator sees whether it arrives. */
export async function pushVerification(
  { box, setSender, tokens }: Omit<PushTools, 'db'>,
  to: PushStream,
  now: Date,
): Promise<SendOutcome> {
  return pushMessage({ box, setSender, tokens }, to, {
    ...{ id: uuidv7(), uri: VERIFICATION, payload: {}, createdAt: now.getTime() },
  })
}

/** Pushes what is told about the stream itself. */
export async function pushMessage(
  { box, setSender, tokens }: Omit<PushTools, 'db'>,
  to: PushStream,
  message: StreamMessage,
): Promise<SendOutcome> {
  const authorization = await authorizationFor(box, to)
  return authorization === null ? cannotOpen : setSender.send(to.url, await tokens.about(to, message), authorization)
}

const cannotOpen = failure(null, 'the token cannot be opened; set it again')

/** The header by which the receiver knows who sends: undefined where there is none, null where it cannot be opened. */
async function authorizationFor(box: SecretBox, { id, secret }: PushStream): Promise<string | undefined | null> {
  if (secret === '') return undefined
  const opened = await box.open(secret, id)
  return opened === undefined ? null : authorizationIn(opened)
}
