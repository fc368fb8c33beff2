import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { Refusal } from '../../administration/refusal.ts'
import type { ControlPlane } from '../../context/control-plane.ts'
import { type PollAnswer, type PollTools, pollStream } from '../../delivery/stream-poll.ts'
import type { StreamRow } from '../../repositories/delivery/webhooks.ts'
import type { OriginPolicy } from '../../tenancy/base-url.ts'
import type { AdminEnv } from './env.ts'
import type { EventReaders } from './event-readers.ts'
import { authenticateRequest } from './origin.ts'

/** So long a request waits for something at the most: half of what load balancers let a request without an answer live. */
export const MAX_WAIT_SECONDS = 30
/** Bytes of a poll: acknowledgements come by the thousand. */
export const MAX_POLL_BYTES = 1_048_576
const MAX_EVENTS = 500
const jti = z.string().max(200)

/** What a receiver asks when it polls (RFC 8936 §2.2). */
export const pollRequest = z.looseObject({
  maxEvents: z
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .default(100)
    .openapi({
      description: `The most tokens in the answer, up to ${MAX_EVENTS}; 0 to acknowledge alone.`,
    }),
  returnImmediately: z
    .boolean()
    .default(false)
    .openapi({
      description: `Without it the answer comes when there is something, or after ${MAX_WAIT_SECONDS} seconds.`,
    }),
  ack: z.array(jti).max(5_000).default([]).openapi({ description: 'The `jti` of tokens that need not come again.' }),
  setErrs: z
    .record(jti, z.looseObject({ err: z.string().max(100), description: z.string().optional() }))
    .default({})
    .openapi({ description: 'Of tokens that are refused, by `jti`; they are kept for the operator.' }),
})

/** What polls are answered with. */
export interface PollDependencies extends PollTools {
  readonly control: ControlPlane
  readonly policy: OriginPolicy
  readonly readers: EventReaders
}

/** Answers a poll of a stream, whose receiver waits among the readers of events where it wants to wait. */
export async function answerPoll(
  c: Context<AdminEnv>,
  { control, policy, readers, tokens, polling }: PollDependencies,
  row: StreamRow,
  { maxEvents, returnImmediately, ack, setErrs }: z.infer<typeof pollRequest>,
): Promise<PollAnswer> {
  const waiting = returnImmediately ? undefined : readers.enter(c, row.tenantId ?? undefined)
  const answered = await pollStream(c.var.database, { tokens, polling }, row, {
    ...{ maxEvents: Math.min(maxEvents, MAX_EVENTS), ack, setErrs, signal: waiting?.signal ?? c.req.raw.signal },
    waitMs: returnImmediately ? 0 : MAX_WAIT_SECONDS * 1_000,
  }).finally(() => waiting?.end())
  if (!returnImmediately) await stillAllowed(c, control, policy)
  return answered
}

/** The key may have been revoked while the request waited. @throws {Refusal} 403 */
export async function stillAllowed(c: Context<AdminEnv>, control: ControlPlane, config: OriginPolicy): Promise<void> {
  const result = await authenticateRequest(control, c, config)
  if ('challenge' in result) throw new Refusal(403, result.challenge.detail)
}
