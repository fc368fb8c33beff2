import { Hono } from 'hono'
import type { Database } from '../db/database.ts'

const ANSWER_WITHIN_MS = 1_000

/** `/livez`: the process answers. `/readyz`: the database answers as well, within a second, and takes changes, else 503. */
export function healthRoutes(database: Pick<Database, 'run'>, answerWithinMs: number = ANSWER_WITHIN_MS): Hono {
  const health = new Hono()
  health.get('/livez', (c) => c.text('ok\n'))
  health.get('/readyz', async (c) => {
    const lacking = await lackingOf(database, answerWithinMs)
    return lacking === undefined ? c.text('ok\n') : c.text(`${lacking}\n`, 503)
  })
  return health
}

/** What keeps the database from serving; undefined where nothing does. */
async function lackingOf(database: Pick<Database, 'run'>, withinMs: number): Promise<string | undefined> {
  const none = 'the database does not answer'
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(none), withinMs)
  })
  const asked = database
    .run<{ readonly readOnly: boolean }>(`select current_setting('transaction_read_only') = 'on' as "readOnly"`, [])
    .then(
      ([session]) =>
        session?.readOnly ? 'the database takes no changes: its disk is full, or it is a standby' : undefined,
      () => none,
    )
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
  }
}
