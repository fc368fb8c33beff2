import { Refusal } from '../administration/refusal.ts'
import type { Database } from '../db/database.ts'
import type { TenantId } from '../place-ids.ts'
import type { Period } from '../repositories/history/as-of.ts'
import { historyOf } from '../repositories/history/histories.ts'
import { takeEvents } from '../repositories/history/taking.ts'
import { eventLogOf } from '../repositories/log/event-log.ts'

const DAY_MS = 86_400_000
/** For so long a question waits for the history to take what the log has. */
const MOST_WAIT_MS = 2_000

/** What a history can tell of. */
export interface Told {
  /** `off`: it never was on; `beginning`: its starting picture is being taken; `on`; `ended`: it is switched off. */
  readonly state: 'off' | 'beginning' | 'on' | 'ended'
  /** It tells of all times from then on that are not in a gap. Null before it tells of any. */
  readonly since: number | null
  /** When it began; what was kept since may be less. Null before it tells of any time. */
  readonly begunAt: number | null
  /** It tells of no time after this; null where it is on. */
  readonly until: number | null
  readonly gaps: readonly { readonly from: number; readonly until: number | null }[]
  /** Events up to here are in it. */
  readonly position: number | null
}

/** What the history of a tenant can tell of. */
export async function toldBy(db: Database, tenantId: TenantId, retentionDays: number): Promise<Told> {
  const history = await historyOf(db, tenantId)
  if (history === undefined) return { state: 'off', since: null, begunAt: null, until: null, gaps: [], position: null }
  const { startedAt, endedAt, gaps, position } = history
  const since = startedAt === null ? null : Math.max(startedAt, Date.now() - retentionDays * DAY_MS)
  const state = endedAt !== null ? 'ended' : startedAt === null ? 'beginning' : 'on'
  return { state, since, begunAt: startedAt, until: endedAt, gaps, position }
}

/**
 * Makes sure that the history of a tenant tells of a time, with all that was committed before the question. Events that the leaver brake
 * holds are not in it yet.
 *
 * @param told what it can tell of, read once for the question
 * @param despite `gaps` where the answer says itself of which time it does not tell
 * @throws {Refusal} 400 for a time to come, 404 without a history, 410 for a time that is kept no longer, 409 for one that it does not
 *   tell of (yet)
 */
export async function tellsOf(
  db: Database,
  tenantId: TenantId,
  told: Told,
  { from, until }: Period,
  despite?: 'gaps',
): Promise<void> {
  if (until > Date.now()) throw new Refusal(400, 'The history cannot tell of a time to come.')
  if (told.state === 'off')
    throw new Refusal(
      404,
      'The tenant has no history. The setting `history` switches it on, for the time from then on.',
    )
  if (told.since === null)
    throw new Refusal(409, 'The starting picture of the history is being taken. Try again when its state is `on`.')
  if (from < told.since) {
    const begins = from < (told.begunAt ?? 0)
    throw new Refusal(
      begins ? 409 : 410,
      `${begins ? 'The history begins' : 'The environment keeps the history'} from ${time(told.since)} on.`,
    )
  }
  if (told.until !== null && until > told.until)
    throw new Refusal(409, `The history was switched off at ${time(told.until)}, and tells of nothing after that.`)
  const [gap] = gapsIn(told, { from, until })
  if (gap !== undefined && despite === undefined)
    throw new Refusal(
      409,
      `The history has a gap from ${time(gap.from)} until ${gap.until === null ? 'now' : time(gap.until)}, and does not tell of that time. ` +
        'It was switched off then, or could not be written.',
    )
  // Up to where a gap began that lasts, all is there; after it, the picture begins anew.
  if (told.gaps.at(-1)?.until !== null) await catchUp(db, tenantId)
}

/** The gaps of a history that touch a time. */
export const gapsIn = ({ gaps }: Pick<Told, 'gaps'>, { from, until }: Period): Told['gaps'] =>
  gaps.filter((gap) => from < (gap.until ?? Number.POSITIVE_INFINITY) && until > gap.from)

const time = (ms: number): string => new Date(ms).toISOString()

/** @throws {Refusal} 409 where that takes too long */
async function catchUp(db: Database, tenantId: TenantId): Promise<void> {
  const log = eventLogOf(db, tenantId)
  const end = performance.now() + MOST_WAIT_MS
  if (await log.hasUnnumbered()) while ((await log.number({ wait: true })) > 0 && performance.now() < end);
  while ((await takeEvents(db, tenantId, true)) === 'more')
    if (performance.now() > end)
      throw new Refusal(
        409,
        'The history has not taken yet what the log has, which goes on behind the requests. Try again in a moment.',
      )
}
