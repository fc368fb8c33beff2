import { Hono } from 'hono'
import type { Database } from '../db/database.ts'

const ANSWER_WITHIN_MS = 1_000

/** `/livez`: the process answers. `/readyz`: the database answers as well, within a second, else 503. */
export function healthRoutes(database: Pick<Database, 'run'>, answerWithinMs: number = ANSWER_WITHIN_MS): Hono {
  const health = new Hono()
  health.get('/livez', (c) => c.text('ok\n'))
  health.get('/readyz', async (c) => {
    const ready = await answers(database, answerWithinMs)
    return ready ? c.text('ok\n') : c.text('the database does not answer\n', 503)
  })
  return health
}

async function answers(database: Pick<Database, 'run'>, withinMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), withinMs)
  })
  const asked = database.run('select 1', []).then(
    () => true,
    () => false,
  )
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
  }
}
