// Events past the gateway.

/**
 * A statement that appends events, which wait for their positions as all events do.
 *
 * @param insert an `insert into events`
 */
export const appending = (insert: string): string =>
  `with logged as (${insert} returning tenant_id, seq, resource_type)
   insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta)
   select tenant_id, seq, resource_type, 0, 0 from logged`

/** A statement that appends events as the first ones of a log, and gives them their positions. */
export const appendingNumbered = (insert: string): string =>
  `with logged as (${insert} returning tenant_id, seq)
   insert into event_positions (tenant_id, position, seq)
   select tenant_id, row_number() over (partition by tenant_id order by seq), seq from logged`

/** A statement that appends events which the leaver brake holds. */
export const appendingHeld = (insert: string): string =>
  `with logged as (${insert} returning tenant_id, seq, resource_id)
   insert into held_events (tenant_id, seq, resource_id) select tenant_id, seq, resource_id from logged`

/** What follows `from`, for events `e` with their positions `p`, if they have one. */
export const EVENTS_AND_POSITIONS =
  'events e left join event_positions p on p.tenant_id = e.tenant_id and p.seq = e.seq'
