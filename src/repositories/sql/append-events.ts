import type { EventType } from '../../events/types.ts'
import { NOW } from './now.ts'

/** The columns of an event as SQL expressions over `from`. */
export interface EventColumns {
  readonly tenant: string
  /** A type by its name, or an expression for one that only the statement knows. */
  readonly type: EventType | { readonly sql: string }
  readonly resourceType: string
  readonly resourceId: string
  readonly version: string
  readonly requestId: string
  readonly actor: string
  /** The start of the transaction by default. */
  readonly occurredAt?: string
  /** JSON as text. */
  readonly changes: string
  /** By how many the event raises the number of resources of its type, and that of active users; 0 by default. */
  readonly totalDelta?: string
  readonly activeDelta?: string
  /** What follows `from`, with joins, grouping and order; without it there is one row. */
  readonly from?: string
}

/**
 * The only `insert into events`: the parts `logged` and `waiting` of a statement, which append one event for each row of the
 * selections. The events get their positions after the commit, so that readers see them in order. Counts of resources include
 * an event's deltas from the commit on.
 */
export const appendEvents = (...selections: readonly EventColumns[]): string =>
  `logged as (
      insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes,
        total_delta, active_delta)
      ${selections.map(selection).join('\n      union all\n      ')}
      returning tenant_id, seq, resource_type, total_delta, active_delta
    ),
    waiting as (
      insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta) select * from logged
    )`

function selection(columns: EventColumns): string {
  const { tenant, type, resourceType, resourceId, version, requestId, actor, occurredAt = NOW, changes, from } = columns
  const { totalDelta = '0', activeDelta = '0' } = columns
  const list = [tenant, typeof type === 'string' ? typeSql(type) : type.sql, resourceType, resourceId, version]
  return `select ${[...list, requestId, actor, occurredAt].join(', ')},
        ${changes}, ${totalDelta}, ${activeDelta}${from === undefined ? '' : `\n      from ${from}`}`
}

/** A type of event as a literal of SQL. A name that is no type does not compile. */
export const typeSql = (type: EventType): string => `'${type}'`

/** Some types as a list of SQL, for `in`. */
export const typesSql = (...types: readonly EventType[]): string => `(${types.map(typeSql).join(', ')})`
