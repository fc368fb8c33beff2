import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import { Refusal } from '../../administration/refusal.ts'
import type { Challenge } from '../../auth/authenticate.ts'
import type { OriginPolicy } from '../../tenancy/base-url.ts'
import { addressOf } from '../address.ts'
import { guessed } from '../guesses.ts'
import { callerOf, inTime, type RequestLimits } from '../in-time.ts'
import { problemResponse } from '../problem.ts'
import { administrationOf } from './administration.ts'
import { expectedBy } from './conditional.ts'
import type { AdminDependencies, AdminEnv } from './env.ts'
import { authenticateRequest } from './origin.ts'

type Admitting = Pick<AdminDependencies, 'database' | 'control' | 'failures'> & {
  readonly config: OriginPolicy & RequestLimits
  readonly underWay: AdminDependencies['underWay'] | undefined
  readonly tracing: AdminDependencies['tracing'] | undefined
}

/** Requests with many records. */
const TAKES_LONG = /\/(?:import|accounts|account-drift\/summary|account-runs\/[^/]+\/finish)$/

/**
 * Lets in who sends a good key or access token, and says what the request works with. It comes before the body is read, and before
 * any route: what is added behind it cannot be reached without a key.
 */
export function admitted(parts: Admitting): MiddlewareHandler<AdminEnv> {
  const { database, config, control, failures, tracing } = parts
  return async (c, next) => {
    const startedAt = performance.now()
    const admit = () => authenticateRequest(control, c, config)
    const admission = tracing === undefined ? admit() : tracing.part('admission', admit)
    const result = await inTime(admission, config.requestTimeoutMs)
    if ('challenge' in result) {
      const { challenge } = result
      const tooMany = guessed(failures, challenge, c.req.header('authorization'), addressOf(c, config))
      if (tooMany !== undefined) throw tooMany
      return challengeResponse(challenge, c.var.requestId)
    }
    if (result.principal.userId !== undefined) throw new Refusal(403, 'This API key stands for a user.')
    const { keyId } = result.principal
    const limitMs = TAKES_LONG.test(c.req.path) ? config.bulkTimeoutMs : config.requestTimeoutMs
    const streams = () => c.var.passage?.streams === true
    const asked = database.for(callerOf(keyId, limitMs, { startedAt, reader: c.req.raw, streams }))
    c.set('keyId', keyId)
    c.set('principal', result.principal)
    c.set('database', asked)
    const administration = administrationOf(c, { database: asked, control, config }, keyId)
    c.set('administration', { ...administration, expected: expectedBy(c) })
    return next()
  }
}

/** Counts a request that was let in among those under way. */
export function counted({ underWay }: Pick<Admitting, 'underWay'>): MiddlewareHandler<AdminEnv> {
  return async (c, next) => {
    const { keyId, scope } = c.var.principal
    const passage = underWay?.requests.enter(keyId, scope.kind === 'tenant' ? scope.tenantId : undefined)
    c.set('underWay', underWay)
    c.set('passage', passage)
    try {
      await next()
    } finally {
      passage?.answered(c.req.method, c.env)
    }
  }
}

const challengeResponse = ({ status, detail, wwwAuthenticate }: Challenge, requestId: string | undefined): Response =>
  problemResponse({ status, detail }, requestId, { 'WWW-Authenticate': wwwAuthenticate })

const NDJSON = 'application/x-ndjson'

/** Accounts come as lines too, which are read one by one. */
export const isAccountLines = (c: Context): boolean =>
  c.req.method === 'POST' &&
  c.req.path.endsWith('/accounts') &&
  c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase() === NDJSON

/** Refuses a body that is not JSON by its type. */
export const onlyJson: MiddlewareHandler = (c, next) => {
  if (!['POST', 'PUT', 'PATCH'].includes(c.req.method) || isAccountLines(c)) return next()
  const header = (name: string) => c.req.header(name) ?? ''
  // Whether there has to be a body, the route knows.
  const empty = ['', '0'].includes(header('content-length')) && header('transfer-encoding') === ''
  if (empty && header('content-type') === '') return next()
  const type = c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw new HTTPException(415, { message: 'The body must be application/json.' })
  return next()
}

/** Refuses a larger body, and counts what one may take in memory. */
export function atMost(maxSize: number): MiddlewareHandler<AdminEnv> {
  const onError = () => {
    throw new HTTPException(413, { message: `The body must not be larger than ${maxSize} bytes.` })
  }
  const limited = bodyLimit({ maxSize, onError })
  return (c, next) => {
    const announced = Number(c.req.header('content-length') ?? (c.req.header('transfer-encoding') ? maxSize : 0))
    // A body that is too large is not read.
    if (announced <= maxSize) c.var.passage?.holdBody(announced)
    return limited(c, next)
  }
}
