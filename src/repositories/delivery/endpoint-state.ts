import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../db/database.ts'
import { STREAM_UPDATED } from '../../events/security-events.ts'

// Whether an endpoint accepts events. Instances decide by what they see themselves, and the store has what all of them go by: an
// endpoint that rests gets nothing, and one event at a time tries whether it is back, from whichever instance.

/** Longer than any attempt takes: then another instance may try whether the endpoint is back. */
const PROBED_FOR_S = 30

/** An attempt that failed, by what it says about its endpoint. */
export interface EndpointFailure {
  /** `down`: the endpoint rests from now on. `still down`: it was tried while it rested, and rests again. */
  readonly verdict: 'one of many' | 'down' | 'still down'
  /** How long the endpoint rests at the least and, at first, at the most; it grows with the time for which it has failed. */
  readonly restMs: { readonly first: number; readonly longest: number }
  /** The receiver has asked for so much time. */
  readonly retryAfterMs: number
  /** An endpoint that has failed for so long is disabled, for this reason. */
  readonly disableAfterMs: number
  readonly reason: string
}

/** What the store knows of an endpoint after a failure. */
export interface EndpointTrouble {
  readonly disabled: boolean
  /** For so long it has accepted nothing from any instance. */
  readonly failingMs: number
}

/**
 * Stores that an endpoint did not accept an event; undefined where the endpoint is disabled or gone. A receiver that manages its
 * stream is told where that is disabled now (SSF 1.0 §8.1.2).
 *
 * A rest is a quarter of the time since which nothing was accepted: a short outage is noticed to be over within a second or two,
 * and a long one costs little. After an hour rests grow again, to four times `restMs.longest`.
 */
export async function endpointFailed(
  db: Database,
  endpointId: string,
  { verdict, restMs, retryAfterMs, disableAfterMs, reason }: EndpointFailure,
): Promise<EndpointTrouble | undefined> {
  const [row] = await db.run<EndpointTrouble>(
    `with failed as (
     update webhook_endpoints w set failures = w.failures + 1, failing_since = f.since, enabled = f.ms < $2::float8,
       disabled_reason = case when f.ms >= $2::float8 then $3::text end,
       resume_at = case when $4::text = 'still down' or ($4::text = 'down' and w.resume_at is null) then f.rested else w.resume_at end
     from (
       select s.id, s.since, s.ms, now() + greatest($7::float8, least(greatest(s.ms / 4, $5::float8),
         greatest($6::float8, least(s.ms / 240, 4 * $6::float8)))) * interval '1 millisecond' as rested
       from (select x.id, coalesce(x.failing_since, now()) as since,
           (extract(epoch from now() - coalesce(x.failing_since, now())) * 1000)::float8 as ms
         from webhook_endpoints x where x.id = $1::uuid) s offset 0
     ) f
     where w.id = $1::uuid and f.id = w.id and w.enabled
     returning w.id, w.receiver_key, w.stream, not w.enabled as disabled, f.ms
     ), told as (
       insert into stream_messages (endpoint_id, id, uri, payload, pushed)
       select f.id, $8::uuid, $9::text, jsonb_build_object('status', 'disabled', 'reason', $3::text), f.stream ->> 'method' = 'push'
       from failed f where f.disabled and f.receiver_key is not null
     )
     select f.disabled, f.ms as "failingMs" from failed f`,
    [endpointId, disableAfterMs, reason, verdict, restMs.first, restMs.longest, retryAfterMs, uuidv7(), STREAM_UPDATED],
    { name: 'endpoint-failed' },
  )
  return row
}

/** Stores that an endpoint accepts events; if it rested, it gets all of them again. */
export async function endpointSucceeded(db: Database, endpointId: string): Promise<void> {
  await db.run(
    `update webhook_endpoints set failures = 0, failing_since = null, resume_at = null
     where id = $1::uuid and (failures > 0 or resume_at is not null)`,
    [endpointId],
    { name: 'endpoint-succeeded' },
  )
}

/** Reserves for the caller the one event that tries whether a resting endpoint is back; false where somebody else has done so. */
export async function takeProbe(db: Database, endpointId: string): Promise<boolean> {
  const taken = await db.run(
    `update webhook_endpoints set resume_at = now() + interval '${PROBED_FOR_S} seconds'
     where id = $1::uuid and enabled and resume_at <= now() returning 1`,
    [endpointId],
  )
  return taken.length > 0
}

/** Gives back a reservation for which no event was found. */
export async function giveProbeBack(db: Database, endpointId: string): Promise<void> {
  await db.run('update webhook_endpoints set resume_at = now() where id = $1::uuid and resume_at > now()', [endpointId])
}
