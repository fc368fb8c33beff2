import { type Context, Hono } from 'hono'
import type { z } from 'zod'
import {
  askVerification,
  changeReceiverStream,
  createReceiverStream,
  deleteReceiverStream,
  type Receiver,
  receiverStream,
  receiverStreams,
  setStreamStatus,
  VERIFICATION_INTERVAL_S,
} from '../../administration/receivers/receiver-streams.ts'
import { Refusal } from '../../administration/refusal.ts'
import { reasonOf } from '../../administration/streams.ts'
import type { Permission } from '../../auth/principal.ts'
import type { Deliveries } from '../../delivery/deliveries.ts'
import { ISSUER_PATHS, RECEIVER_PATHS } from '../../events/security-events.ts'
import { type StreamRow, statusOf } from '../../repositories/delivery/webhooks.ts'
import { admitted, atMost, counted, onlyJson } from '../control/admission.ts'
import type { AdminDependencies, AdminEnv } from '../control/env.ts'
import { EventReaders } from '../control/event-readers.ts'
import { issuerOf } from '../control/origin.ts'
import { answerPoll, MAX_POLL_BYTES, pollRequest } from '../control/polling.ts'
import { refusalFor } from '../errors.ts'
import { invalid, unstorable } from '../invalid.ts'
import { needs } from '../permissions.ts'
import { problemOf, problemResponse } from '../problem.ts'
import {
  changedStream,
  configurationOf,
  newStatus,
  newStream,
  refuseOther,
  streamQuery,
  verification,
  wantedOf,
  wholeOf,
} from './stream-configuration.ts'

const MAX_BODY_BYTES = 65_536
const UNCACHED = { 'Cache-Control': 'no-store' }

/** What receivers ask is made from. */
export type ReceiverDependencies = Omit<AdminDependencies, 'deliveries'> & { readonly deliveries: Deliveries }

type ReceiverContext = Context<AdminEnv>

/**
 * What receivers of Security Event Tokens ask themselves, below the address of each issuer: the API for streams of the Shared Signals
 * Framework (SSF 1.0 §8.1), and the polls of the streams that it made. A receiver is an API key of the issuer's place, and sees no
 * streams but its own. Refusals are problem details (RFC 9457).
 */
export function receiverApi(parts: ReceiverDependencies): Hono<AdminEnv> {
  const { control, config, deliveries } = parts
  const app = new Hono<AdminEnv>()
  app.onError((error, c) => {
    const problem = problemOf(error)
    if (problem === undefined) throw error
    return problemResponse(problem, c.var.requestId, refusalFor(error, '').headers)
  })
  const readers = new EventReaders(control, config)

  for (const [kind, path] of Object.entries(ISSUER_PATHS) as [keyof typeof ISSUER_PATHS, string][]) {
    const issuer = `${path}:issuer`
    app.use(
      `${issuer}/*`,
      admitted({ ...parts, underWay: parts.underWay, tracing: parts.tracing }),
      counted({ underWay: parts.underWay }),
    )
    const receiverOf = (c: ReceiverContext) => receiverAt(c, kind, c.req.param('issuer') ?? '')

    const poll = `${issuer}${RECEIVER_PATHS.poll(':stream')}`
    app.use(poll, onlyJson, atMost(MAX_POLL_BYTES))
    app.post(poll, async (c) => {
      const receiver = receiverOf(c)
      needsEither(c, ['ssf.read', 'ssf.manage'])
      const row = await receiverStream(c.var.database, receiver, c.req.param('stream') ?? '')
      if (row.stream.method !== 'poll') throw new Refusal(409, 'Tokens of this stream are pushed.')
      const dependencies = { ...deliveries, control, policy: config, readers }
      return c.json(await answerPoll(c, dependencies, row, await bodyOf(c, pollRequest)), 200, UNCACHED)
    })

    app.use(`${issuer}/*`, onlyJson, atMost(MAX_BODY_BYTES), async (_, next) => {
      // Inside a transaction there would be no way to ask for the key that seals secrets.
      await deliveries.box.ready()
      return next()
    })
    configurationRoutes(app, issuer + RECEIVER_PATHS.configuration, parts, receiverOf)
    statusRoutes(app, issuer + RECEIVER_PATHS.status, parts, receiverOf)
    verificationRoutes(app, issuer + RECEIVER_PATHS.verification, parts, receiverOf)
  }
  return app
}

type ReceiverOf = (c: ReceiverContext) => Receiver

/** The configuration endpoint (SSF 1.0 §8.1.1). */
function configurationRoutes(
  app: Hono<AdminEnv>,
  path: string,
  { deliveries, config }: ReceiverDependencies,
  receiverOf: ReceiverOf,
): void {
  app.get(path, async (c) => {
    const receiver = receiverOf(c)
    needsEither(c, ['ssf.read', 'ssf.manage'])
    const { stream_id } = c.req.query()
    if (stream_id !== undefined)
      return c.json(configurationOf(await receiverStream(c.var.database, receiver, stream_id)), 200, UNCACHED)
    const rows = await receiverStreams(c.var.database, receiver)
    return c.json(rows.map(configurationOf), 200, UNCACHED)
  })

  app.post(path, async (c) => {
    const receiver = receiverOf(c)
    needs(c.var.principal, 'ssf.manage')
    const wanted = wholeOf(await bodyOf(c, newStream))
    const { streamAlgorithm: algorithm } = deliveries
    const how = { origin: issuerOf(c, config), algorithm }
    const made = await createReceiverStream(c.var.administration, deliveries, receiver, wanted, how)
    return c.json(configurationOf(made), 201, UNCACHED)
  })

  for (const [method, read] of [
    ['PATCH', wantedOf],
    ['PUT', wholeOf],
  ] as const)
    app.on(method, path, async (c) => {
      const receiver = receiverOf(c)
      needs(c.var.principal, 'ssf.manage')
      const body = await bodyOf(c, changedStream)
      const expected = (row: StreamRow) => refuseOther(row, body)
      const { stream_id: id } = body
      const { administration } = c.var
      const changed = await changeReceiverStream(administration, deliveries, receiver, id, read(body), expected)
      return c.json(configurationOf(changed), 200, UNCACHED)
    })

  app.delete(path, async (c) => {
    const receiver = receiverOf(c)
    needs(c.var.principal, 'ssf.manage')
    await deleteReceiverStream(c.var.administration, receiver, namedStream(c))
    return c.body(null, 204, UNCACHED)
  })
}

/** The status endpoint (SSF 1.0 §8.1.2). */
function statusRoutes(
  app: Hono<AdminEnv>,
  path: string,
  { deliveries }: ReceiverDependencies,
  receiverOf: ReceiverOf,
): void {
  const shown = (row: StreamRow) => {
    const reason = reasonOf(row)
    return { stream_id: row.id, status: statusOf(row), ...(reason === null ? {} : { reason }) }
  }

  app.get(path, async (c) => {
    const receiver = receiverOf(c)
    needsEither(c, ['ssf.read', 'ssf.manage'])
    return c.json(shown(await receiverStream(c.var.database, receiver, namedStream(c))), 200, UNCACHED)
  })

  app.post(path, async (c) => {
    const receiver = receiverOf(c)
    needs(c.var.principal, 'ssf.manage')
    const { stream_id, status, reason = null } = await bodyOf(c, newStatus)
    const row = await setStreamStatus(c.var.administration, receiver, stream_id, status, reason)
    deliveries.streamChanged(row.id)
    return c.json(shown(row), 200, UNCACHED)
  })
}

/** The verification endpoint (SSF 1.0 §8.1.4.2). */
function verificationRoutes(
  app: Hono<AdminEnv>,
  path: string,
  { deliveries }: ReceiverDependencies,
  receiverOf: ReceiverOf,
): void {
  app.post(path, async (c) => {
    const receiver = receiverOf(c)
    needs(c.var.principal, 'ssf.manage')
    const { stream_id, state } = await bodyOf(c, verification)
    const asked = await askVerification(c.var.database, receiver, stream_id, state)
    if (asked === false) {
      const detail = `There are ${VERIFICATION_INTERVAL_S} seconds between two verifications at the least (min_verification_interval).`
      return problemResponse({ status: 429, detail }, c.var.requestId, {
        'Retry-After': String(VERIFICATION_INTERVAL_S),
      })
    }
    deliveries.streamChanged(asked.id)
    return c.body(null, 204, UNCACHED)
  })
}

/** The receiver that a key is: for the issuer of its own place alone. @throws {Refusal} 403 */
function receiverAt(c: ReceiverContext, kind: keyof typeof ISSUER_PATHS, id: string): Receiver {
  const { keyId, scope } = c.var.principal
  const own = scope.kind === 'tenant' ? scope.tenantId : scope.kind === 'environment' ? scope.environmentId : undefined
  if (scope.kind === kind && own === id) return { keyId, place: scope }
  throw new Refusal(403, 'This API key is not of the place of this issuer: a receiver has a key of exactly that place.')
}

/** Refuses a key that has none of the permissions; the answer names the least one. @throws {ChallengeError} 403 */
function needsEither(c: ReceiverContext, permissions: readonly [Permission, Permission]): void {
  const { principal } = c.var
  if (!permissions.some((permission) => principal.permissions.has(permission))) needs(principal, permissions[0])
}

/** The stream that the query names. @throws {Refusal} 400 where it names none */
function namedStream(c: ReceiverContext): string {
  const { data, error } = streamQuery.safeParse(c.req.query())
  if (error !== undefined) throw invalid(error)
  return data.stream_id
}

/** The body, read by `schema`. @throws {Refusal} 400 */
async function bodyOf<Schema extends z.ZodType>(c: ReceiverContext, schema: Schema): Promise<z.output<Schema>> {
  const text = await c.req.text()
  let sent: unknown
  try {
    sent = JSON.parse(text)
  } catch {
    throw new Refusal(400, 'The body must be JSON.')
  }
  const refusal = unstorable(sent)
  if (refusal !== undefined) throw refusal
  const { data, error } = schema.safeParse(sent)
  if (error !== undefined) throw invalid(error)
  return data
}
