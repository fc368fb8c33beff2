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
  /** What follows `from`, with joins, grouping and order; without it there is one row. */
  readonly from?: string
}

/**
 * The only `insert into events`: the part of a statement that appends one event for each row of its selections. The events get
 * their positions after the commit, so that readers see them in order.
 */
export const appendEvents = (...selections: readonly EventColumns[]): string =>
  `insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
      ${selections.map(selection).join('\n      union all\n      ')}`

function selection(columns: EventColumns): string {
  const { tenant, type, resourceType, resourceId, version, requestId, actor, occurredAt = NOW, changes, from } = columns
  const list = [tenant, typeof type === 'string' ? typeSql(type) : type.sql, resourceType, resourceId, version]
  return `select ${[...list, requestId, actor, occurredAt].join(', ')},
        ${changes}${from === undefined ? '' : `\n      from ${from}`}`
}

/** A type of event as a literal of SQL. A name that is no type does not compile. */
export const typeSql = (type: EventType): string => `'${type}'`

/** Some types as a list of SQL, for `in`. */
export const typesSql = (...types: readonly EventType[]): string => `(${types.map(typeSql).join(', ')})`
