import type { Database } from '../db/database.ts'
import { eventLogOf, keptLogs, TRIMMED_AT_ONCE } from '../repositories/log/event-log.ts'
import { DEFAULT_SETTINGS } from '../tenancy/settings.ts'

const EVERY_MS = 3_600_000
/** The pause between two batches, in which other statements have their turn. */
const BREATH_MS = 20
const LOGS_AT_ONCE = 200

/**
 * Deletes events that are older than their environment keeps them, once an hour, in small batches. Any number of instances
 * may do so. Returns what stops it and waits for the batch under way.
 *
 * @param failed told when a round failed; the next one takes up its work
 */
export function keepTrimmed(
  db: Database,
  failed: (error: unknown) => void,
  everyMs: number = EVERY_MS,
): () => Promise<void> {
  const stopped = new AbortController()
  let round: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    round = round.then(() => trimAll(db, stopped.signal)).catch(failed)
  }, everyMs).unref()
  return () => {
    clearInterval(timer)
    stopped.abort()
    return round
  }
}

/** One round over all logs. */
export async function trimAll(db: Database, stopped?: AbortSignal): Promise<void> {
  for (let after: string | undefined; ; ) {
    const logs = await keptLogs(db, DEFAULT_SETTINGS.eventRetentionDays, after, LOGS_AT_ONCE)
    for (const { tenantId, days } of logs) {
      const log = eventLogOf(db, tenantId)
      for (let full = true; full; ) {
        if (stopped?.aborted) return
        full = (await log.trim(days)) === TRIMMED_AT_ONCE
        if (full) await new Promise((resolve) => setTimeout(resolve, BREATH_MS))
      }
    }
    if (logs.length < LOGS_AT_ONCE) return
    after = logs.at(-1)?.tenantId
  }
}
