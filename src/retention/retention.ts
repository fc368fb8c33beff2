import type { Database } from '../db/database.ts'
import { isUnavailable } from '../db/errors.ts'
import type { EnvironmentId, TenantId } from '../place-ids.ts'
import { consoleSessionsOf } from '../repositories/control/console-sessions.ts'
import { giveUpEvents } from '../repositories/history/gaps.ts'
import { historiesWithOldSpans } from '../repositories/history/histories.ts'
import { trimHistory } from '../repositories/history/trimming.ts'
import { eventLogOf, logsWithOldEvents, TRIMMED_AT_ONCE } from '../repositories/log/event-log.ts'
import { closeFeed, idleFeeds } from '../repositories/log/feed-closing.ts'
import { trimFeed } from '../repositories/log/feed-places.ts'
import { REQUESTS_TRIMMED_AT_ONCE, tenantsWithOldRequests, trimRequests } from '../repositories/log/request-log-age.ts'
import { removeExpiredUsers } from '../repositories/resources/kept-users.ts'
import { trimAuditTrail } from '../repositories/retention/audit-trail.ts'
import { environmentsWithOld } from '../repositories/retention/environments.ts'
import { lowestIdAt } from '../request-log/ids.ts'
import { DEFAULT_SETTINGS } from '../tenancy/settings.ts'

/** The pause between two batches, in which other statements have their turn. */
const BREATH_MS = 20
const ENVIRONMENTS_AT_ONCE = 100
const LOGS_AT_ONCE = 200

/** For so many days longer than its environment keeps them, events wait for a history that cannot be written. */
export const HELD_FOR_HISTORY_DAYS = 30

const breath = () => new Promise((resolve) => setTimeout(resolve, BREATH_MS))

/**
 * Deletes what has been kept for long enough: events, logged requests, deleted users, sessions of the console that are over, feeds of
 * environments that nobody has read for `feedIdleDays`, and entries of the audit trail where `auditDays` says for how long they are
 * kept. Each is found by its time: what is not due costs nothing, however many tenants there are.
 */
export async function deleteOld(
  db: Database,
  { auditDays, feedIdleDays }: { readonly auditDays?: number | undefined; readonly feedIdleDays: number },
  stopped: AbortSignal,
): Promise<void> {
  await trimAll(db, stopped)
  await trimRequestLogs(db, stopped)
  await trimHistories(db, stopped)
  await inBatches(() => removeExpiredUsers(db), stopped)
  await inBatches(() => consoleSessionsOf(db).removeOver(), stopped)
  for (const environmentId of await idleFeeds(db, feedIdleDays))
    await closeFeed(db, environmentId, feedIdleDays, breath, stopped)
  if (auditDays !== undefined) await inBatches(() => trimAuditTrail(db, auditDays), stopped)
}

/** @param batch gives whether there may be more */
async function inBatches(batch: () => Promise<boolean>, stopped: AbortSignal): Promise<void> {
  while (!stopped.aborted && (await batch())) await breath()
}

/**
 * Deletes events that are older than their environment keeps them. Each tenant has one batch in its turn, until none has old ones.
 *
 * @throws the first failure of a tenant, once the others are done
 */
export async function trimAll(db: Database, stopped?: AbortSignal): Promise<void> {
  const failures: unknown[] = []
  while (await trimRound(db, failures, stopped));
  if (failures.length > 0) throw failures[0]
}

/** One batch of each log with old events; gives whether there may be more. A log that another transaction holds is left out. */
async function trimRound(db: Database, failures: unknown[], stopped: AbortSignal | undefined): Promise<boolean> {
  let progress = false
  const failed = (error: unknown) => {
    if (isUnavailable(error)) throw error
    failures.push(error)
    return undefined
  }
  for (let after: EnvironmentId | undefined; ; ) {
    const environments = await environmentsWithOld(
      db,
      'events',
      DEFAULT_SETTINGS.eventRetentionDays,
      after,
      ENVIRONMENTS_AT_ONCE,
    )
    for (const { id, days } of environments) {
      const longest = days + HELD_FOR_HISTORY_DAYS
      for (const tenantId of await logsWithOldEvents(db, id, longest, LOGS_AT_ONCE, { held: true })) {
        if (stopped?.aborted) return false
        progress = (await giveUpEvents(db, tenantId, longest).catch(failed)) === true || progress
      }
      for (const tenantId of await logsWithOldEvents(db, id, days, LOGS_AT_ONCE)) {
        if (stopped?.aborted) return false
        const trimmed = await eventLogOf(db, tenantId).trim(days).catch(failed)
        progress ||= trimmed !== undefined
        if (trimmed === TRIMMED_AT_ONCE) await breath()
      }
      if (stopped?.aborted) return false
      progress = (await trimFeed(db, id, days).catch(failed)) === true || progress
    }
    if (environments.length < ENVIRONMENTS_AT_ONCE) return progress
    after = environments.at(-1)?.id
  }
}

/** Deletes what is over for longer than the histories of an environment keep it, a batch at a time of each tenant. */
export async function trimHistories(db: Database, stopped?: AbortSignal): Promise<void> {
  for (let after: EnvironmentId | undefined; ; ) {
    const days = DEFAULT_SETTINGS.historyRetentionDays
    const environments = await environmentsWithOld(db, 'spans', days, after, ENVIRONMENTS_AT_ONCE)
    for (const { id, days } of environments)
      for (let more = true; more && !stopped?.aborted; ) {
        const tenants = await historiesWithOldSpans(db, id, days, LOGS_AT_ONCE)
        for (const tenantId of tenants) await trimHistory(db, tenantId, days)
        more = tenants.length > 0
        if (more) await breath()
      }
    if (environments.length < ENVIRONMENTS_AT_ONCE || stopped?.aborted) return
    after = environments.at(-1)?.id
  }
}

const DAY_MS = 86_400_000

/** Deletes requests that are older than their environment keeps them, a batch at a time of each tenant. */
export async function trimRequestLogs(db: Database, stopped?: AbortSignal): Promise<void> {
  const boundOf = (days: number) => lowestIdAt(Date.now() - days * DAY_MS)
  for (let after: TenantId | undefined; ; ) {
    const page = await tenantsWithOldRequests(db, {
      ...{ defaultDays: DEFAULT_SETTINGS.requestLogDays, boundOf },
      ...{ after, limit: LOGS_AT_ONCE },
    })
    for (const { id, days } of page.filter(({ due }) => due))
      while (!stopped?.aborted) {
        if ((await trimRequests(db, id, boundOf(days))) < REQUESTS_TRIMMED_AT_ONCE) break
        await breath()
      }
    if (page.length < LOGS_AT_ONCE || stopped?.aborted) return
    after = page.at(-1)?.id
  }
}
