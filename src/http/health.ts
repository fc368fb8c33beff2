import { type Context, Hono } from 'hono'
import type { Readiness } from './readiness.ts'

/**
 * `/livez`: the process answers. `/readyz`: it should get requests; else 503, with a line for each reason. `OPTIONS /` says the same
 * as `/readyz`: HAProxy's `option httpchk` asks it, where no address is named.
 */
export function healthRoutes(readiness: Pick<Readiness, 'faults'>): Hono {
  const health = new Hono()
  health.get('/livez', (c) => c.text('ok\n'))
  const ready = async (c: Context) => {
    const faults = await readiness.faults()
    return faults.length === 0 ? c.text('ok\n') : c.text(`${faults.join('\n')}\n`, 503)
  }
  health.get('/readyz', ready)
  health.on('OPTIONS', '/', ready)
  return health
}
