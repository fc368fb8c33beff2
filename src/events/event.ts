import type { LoggedEventType } from './types.ts'

/** An event as it stands in a tenant's log, with its position there. */
export interface LoggedEvent {
  /** Counts the events of the tenant from 1, without gaps; never changes and is never given twice. */
  readonly position: number
  /** The same in every way to read or deliver the event. */
  readonly id: string
  readonly type: LoggedEventType
  readonly resourceType: string
  readonly resourceId: string
  readonly version: number
  readonly requestId: string
  /** Id of the API key whose request made the change. */
  readonly actor: string
  /** Milliseconds since 1970. */
  readonly occurredAt: number
  /** JSON text: what changed. */
  readonly changes: string
  /** The application's id of the account of the user whom the event is about, as it is now; null or undefined where there is none. */
  readonly account?: string | null
  /** Whether the tenant has a mapping, so that users have mapped values. */
  readonly maps?: boolean | null
}

/** What is looked up for an event when it is read, as JSON text. */
export interface BesideEvent {
  /** The resource as it is now, for readers that ask for it. */
  readonly snapshot?: string | undefined
  /** What the tenant's mapping makes of the user whom the event is about. */
  readonly mapped?: string | undefined
}

/**
 * How the changes of an event begin that tells the application again what it has missed. It stands in the changes, as a column that is
 * nearly always null would cost each event.
 */
export const REPAIR = '{"origin":"repair",'

/** The changes of an event about a person who was erased. */
export const ERASED_CHANGES = '{"erased":true}'

/**
 * The event as JSON text, as every reader gets it. `changes` is copied without parsing, since the gateway has written it.
 *
 * @param tenant the tenant's id
 */
export function eventText(event: LoggedEvent, tenant: string, { snapshot, mapped }: BesideEvent = {}): string {
  const { position, id, type, resourceType, resourceId, version, requestId, actor, occurredAt, account } = event
  const head = {
    ...{ id, position, type, tenant, time: new Date(occurredAt).toISOString() },
    ...{ resource: { type: resourceType, id: resourceId, version }, requestId, actor },
    ...(typeof account === 'string' && { account }),
    ...(event.changes.startsWith(REPAIR) && { origin: 'repair' }),
    ...(event.changes === ERASED_CHANGES && { erased: true }),
  }
  const tail = snapshot === undefined ? '' : `,"snapshot":${snapshot}`
  const beside = mapped === undefined ? '' : `,"mapped":${mapped}`
  return `${JSON.stringify(head).slice(0, -1)},"changes":${shownChanges(event.changes)}${beside}${tail}}`
}

/** What stands in the changes beside what has changed is told in the event itself. */
function shownChanges(changes: string): string {
  if (changes === ERASED_CHANGES) return '{}'
  return changes.startsWith(REPAIR) ? `{${changes.slice(REPAIR.length)}` : changes
}

/** Which events a reader wants; both empty: all. */
export interface EventTypes {
  /** Whole types, such as `user.deleted`. */
  readonly types: readonly string[]
  /** What precedes the dot in `user.*`. */
  readonly nouns: readonly string[]
}

/**
 * Reads a list of types such as `user.*,group.deleted`; undefined when an entry is not a type. Only the form is checked,
 * because an operator may register a resource type later.
 */
export function parseEventTypes(entries: readonly string[]): EventTypes | undefined {
  if (!entries.every((entry) => TYPE.test(entry))) return undefined
  return {
    types: entries.filter((entry) => !entry.endsWith('.*')),
    nouns: entries.filter((entry) => entry.endsWith('.*')).map((entry) => entry.slice(0, -2)),
  }
}

/** The form of types of events, and of all of a noun, for OpenAPI. */
export const EVENT_TYPE_PATTERN = String.raw`[A-Za-z][\w$-]{0,127}\.(?:\*|[a-z_]{1,64})`
const TYPE = new RegExp(`^${EVENT_TYPE_PATTERN}$`)
