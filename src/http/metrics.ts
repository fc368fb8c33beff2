import { Hono } from 'hono'
import { hashApiKey, sameHash } from '../auth/api-key.ts'
import type { FailedAttempts } from '../auth/attempts.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { OriginPolicy } from '../tenancy/base-url.ts'
import { addressOf } from './address.ts'
import { guessed } from './guesses.ts'
import type { GatewayEnv } from './middleware.ts'
import { problemResponse } from './problem.ts'

/** `/metrics` for whoever reaches a port of its own, on which nothing else is answered. */
export function openMetricsApp(metrics: Metrics): Hono {
  const app = new Hono()
  app.get('/metrics', async (c) => answer(metrics, c.req.query()))
  return app
}

/** `/metrics` beside the other surfaces, for whoever sends `Authorization: Bearer` with the key. */
export function keyedMetricsRoutes(
  metrics: Metrics,
  key: string,
  { failures, origin }: { readonly failures: FailedAttempts; readonly origin: OriginPolicy },
): Hono<GatewayEnv> {
  const hash = hashApiKey(key)
  const app = new Hono<GatewayEnv>()
  app.get('/metrics', async (c) => {
    const header = c.req.header('authorization')
    const token = /^bearer +(\S+)$/i.exec(header?.trim() ?? '')?.[1]
    if (token !== undefined && sameHash(hashApiKey(token), hash)) return answer(metrics, c.req.query())
    const tooMany = guessed(
      failures,
      { mayBeGuess: token === undefined ? undefined : true },
      header,
      addressOf(c, origin),
    )
    const { requestId } = c.var
    if (tooMany !== undefined) {
      const headers = { 'Retry-After': String(tooMany.retryAfterSeconds) }
      return problemResponse({ status: 429, detail: tooMany.message }, requestId, headers)
    }
    const detail = 'Metrics take the key in METRICS_KEY, as "Authorization: Bearer …".'
    return problemResponse({ status: 401, detail }, requestId, { 'WWW-Authenticate': 'Bearer realm="metrics"' })
  })
  return app
}

/** An answer tells of no more tenants than this. */
const MOST_TENANTS = 50

/** With `tenants=10` it also names the ten loudest tenants, and with `silent=10` the ten that are silent for longest. */
async function answer(metrics: Metrics, { tenants, silent }: Readonly<Record<string, string>>): Promise<Response> {
  const [loudest, quietest] = [tenants, silent].map((text = '0') => (/^\d{1,9}$/.test(text) ? Number(text) : NaN))
  if (!isCount(loudest) || !isCount(quietest)) {
    const detail = `tenants and silent take a number up to ${MOST_TENANTS}.`
    return problemResponse({ status: 400, detail }, undefined)
  }
  const named = loudest + quietest > 0 ? { loudest, silent: quietest } : undefined
  const { body, type } = await metrics.text(named)
  return new Response(body, { headers: { 'Content-Type': type, 'Cache-Control': 'no-store' } })
}

const isCount = (value: number | undefined): value is number => value !== undefined && value <= MOST_TENANTS
