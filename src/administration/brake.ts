import type { Scope } from '../auth/principal.ts'
import type { Database } from '../db/database.ts'
import type { TenantId } from '../place-ids.ts'
import { heldEventsOf } from '../repositories/log/held-events.ts'
import { endHold, leaversOf } from '../repositories/log/leaver-brake.ts'
import type { LeaverBrake } from '../tenancy/settings.ts'
import { brakeRecord } from './audit-records.ts'
import { type Administration, change } from './change.ts'
import { Refusal } from './refusal.ts'

/** The state of a tenant's leaver brake. */
export interface BrakeStatus {
  /** `releasing` while what was held gets its positions. */
  readonly state: 'off' | 'watching' | 'engaged' | 'releasing'
  /** Since when events are held, and until when at the most; null where none are. */
  readonly since: Date | null
  readonly until: Date | null
  /** Events that are held. */
  readonly held: number
  /** People who have left within the window and count, and how many active users there were before. */
  readonly leavers: number
  readonly users: number
}

/** The state of the brake of a tenant with the setting `leaverBrake`. */
export async function brakeStatus(
  database: Database,
  tenantId: TenantId,
  { mode, windowMinutes }: LeaverBrake,
): Promise<BrakeStatus> {
  const events = heldEventsOf(database, tenantId)
  const hold = await events.hold()
  const counted = await leaversOf(database, tenantId, { windowMinutes })
  if (hold === null) {
    return { state: mode === 'off' ? 'off' : 'watching', since: null, until: null, held: 0, ...counted }
  }
  const [since, until] = [new Date(hold.since), new Date(hold.until)]
  return { state: hold.released ? 'releasing' : 'engaged', since, until, held: await events.count(), ...counted }
}

/**
 * Releases the events that the brake of a tenant holds: an approval, which the audit trail keeps with its `note`. Later leavers
 * are counted anew. Returns how many events were held.
 *
 * @throws {Refusal} 409 where nothing is held, or it was released already
 */
export function releaseBrake(
  administration: Administration,
  place: Extract<Scope, { kind: 'tenant' }>,
  note?: string | undefined,
): Promise<number> {
  return change(administration, async (tx, record) => {
    const hold = await heldEventsOf(tx, place.tenantId).lockHold()
    if (hold === null || hold.released) throw new Refusal(409, 'The leaver brake of this tenant holds nothing.')
    const { actor, requestId } = administration.author
    const events = await endHold(tx, place.tenantId, { reason: 'approved', note, actor, requestId })
    record(brakeRecord(place, hold.id, { events, note: note ?? null }))
    return events
  })
}
