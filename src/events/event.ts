/** An event as it stands in a tenant's log, with its position there. */
export interface LoggedEvent {
  /** Dense, from 1, the tenant's own; never changes and is never given twice. */
  readonly position: number
  /** Stable on every way by which the event is read or delivered. */
  readonly id: string
  /** `user.created`, `group.member_added`, … */
  readonly type: string
  readonly resourceType: string
  readonly resourceId: string
  readonly version: number
  readonly requestId: string
  /** Id of the API key that asked for the change. */
  readonly actor: string
  /** Milliseconds since 1970. */
  readonly occurredAt: number
  /** JSON text: what changed. */
  readonly changes: string
}

/**
 * The event as JSON text, as every reader gets it. `changes` is copied, not parsed: it is our own JSON.
 *
 * @param tenant the tenant's id
 * @param snapshot the resource as it is now, as JSON text, for who asks for it
 */
export function eventText(event: LoggedEvent, tenant: string, snapshot?: string): string {
  const { position, id, type, resourceType, resourceId, version, requestId, actor, occurredAt, changes } = event
  const head = {
    ...{ id, position, type, tenant, time: new Date(occurredAt).toISOString() },
    ...{ resource: { type: resourceType, id: resourceId, version }, requestId, actor },
  }
  const tail = snapshot === undefined ? '' : `,"snapshot":${snapshot}`
  return `${JSON.stringify(head).slice(0, -1)},"changes":${changes}${tail}}`
}

/** Which events a reader wants; both empty: all. */
export interface EventTypes {
  /** Whole types, such as `user.deleted`. */
  readonly types: readonly string[]
  /** What stands before the dot, of `user.*`. */
  readonly nouns: readonly string[]
}

/**
 * Reads a list of types such as `user.*,group.deleted`; undefined where an entry is none. Types of resources that are
 * registered later are as good as the built-in ones, so only the form is checked.
 */
export function parseEventTypes(entries: readonly string[]): EventTypes | undefined {
  if (!entries.every((entry) => TYPE.test(entry))) return undefined
  return {
    types: entries.filter((entry) => !entry.endsWith('.*')),
    nouns: entries.filter((entry) => entry.endsWith('.*')).map((entry) => entry.slice(0, -2)),
  }
}

const TYPE = /^[A-Za-z][\w$-]{0,127}\.(?:\*|[a-z_]{1,64})$/
