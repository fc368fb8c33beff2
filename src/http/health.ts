import { Hono } from 'hono'
import type { Readiness } from './readiness.ts'

/** `/livez`: the process answers. `/readyz`: it should get requests; else 503, with a line for each reason. */
export function healthRoutes(readiness: Pick<Readiness, 'faults'>): Hono {
  const health = new Hono()
  health.get('/livez', (c) => c.text('ok\n'))
  health.get('/readyz', async (c) => {
    const faults = await readiness.faults()
    return faults.length === 0 ? c.text('ok\n') : c.text(`${faults.join('\n')}\n`, 503)
  })
  return health
}
