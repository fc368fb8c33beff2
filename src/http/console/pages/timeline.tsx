import type { LoggedEvent } from '../../../events/event.ts'
import { type EventVerb, type LoggedEventType, verbOf } from '../../../events/types.ts'
import { Actor, Badge, counted, Moment, type Tone } from '../parts.tsx'

/** What an event did, as far as people look at it. */
interface Shown {
  readonly tone: Tone
  /** What came of the resource: "was created". */
  readonly verb: string
}

/** The verbs with words of their own; other verbs are shown as they are. */
const VERBS: Readonly<Partial<Record<EventVerb, Shown>>> = {
  created: { tone: 'good', verb: 'was created' },
  activated: { tone: 'good', verb: 'was activated' },
  deactivated: { tone: 'bad', verb: 'was deactivated' },
  deleted: { tone: 'bad', verb: 'was deleted' },
  sessions_revoked: { tone: 'bad', verb: 'was logged out of all sessions' },
  updated: { tone: 'plain', verb: 'was changed' },
  member_added: { tone: 'good', verb: 'got' },
  member_removed: { tone: 'warn', verb: 'lost' },
  assigned: { tone: 'good', verb: 'was given to' },
  unassigned: { tone: 'warn', verb: 'was taken from' },
  paused: { tone: 'warn', verb: 'was paused' },
  resumed: { tone: 'good', verb: 'was resumed' },
  rotated: { tone: 'plain', verb: 'was rotated' },
  revoked: { tone: 'bad', verb: 'was revoked' },
  engaged: { tone: 'bad', verb: 'holds leavers' },
  warned: { tone: 'warn', verb: 'warned of leavers' },
  silent: { tone: 'bad', verb: 'is silent: nothing has come for longer than usual' },
  failing: { tone: 'bad', verb: 'is failing: every request is refused' },
  recovered: { tone: 'good', verb: 'has recovered' },
  released: { tone: 'good', verb: 'released what it held' },
}

interface Change {
  readonly path: string
  readonly before?: unknown
  readonly after?: unknown
}

/** An event of the log; or one that the leaver brake holds, which has no position yet. */
export type TimelineEvent = Pick<
  LoggedEvent,
  'type' | 'resourceType' | 'resourceId' | 'actor' | 'occurredAt' | 'changes'
> & {
  readonly position?: number
}

/** What ids in events are called. */
export interface Names {
  /** Of resources, by id. */
  readonly labels: ReadonlyMap<string, string>
  /** Of API keys, by id. */
  readonly actors: ReadonlyMap<string, string>
}

/** Events as people look at them. @param path of the tenant @param of the resource whose history it is */
export function Timeline(props: { events: readonly TimelineEvent[]; names: Names; path: string; of?: string }) {
  const { events, names, path, of } = props
  const { labels, actors } = names
  return (
    <ol class="timeline">
      {events.map((event) => {
        const { tone, verb } = shownOf(event.type)
        const changes = JSON.parse(event.changes) as Changes
        return (
          <li class={tone}>
            <Subject event={event} label={labels.get(event.resourceId)} changes={changes} path={path} /> {verb}{' '}
            <People changes={changes} labels={labels} path={path} of={of} />
            {event.position === undefined && (
              <>
                {' '}
                <Badge tone="bad">held by the leaver brake</Badge>
              </>
            )}
            <br />
            <span class="when">
              <Moment at={event.occurredAt} /> · {event.type} ·{' '}
              {event.position === undefined ? 'the application was not told' : `position ${event.position}`} · by{' '}
              <Actor id={event.actor} names={actors} />
            </span>
            {changes.erased ? <span class="quiet small">The person was erased.</span> : <Details changes={changes} />}
          </li>
        )
      })}
    </ol>
  )
}

interface Changes {
  readonly changed?: readonly Change[]
  readonly members?: readonly string[]
  /** Of who got or lost a role, and the role; of a brake how many there are. */
  readonly users?: readonly string[] | number
  readonly role?: string
  /** Of what happened to an API key. */
  readonly key?: { readonly name: string }
  readonly before?: Readonly<Record<string, unknown>>
  readonly after?: Readonly<Record<string, unknown>>
  /** The event is about a person who was erased. */
  readonly erased?: true
}

function shownOf(type: LoggedEventType): Shown {
  const verb = verbOf(type)
  return VERBS[verb as EventVerb] ?? { tone: 'plain', verb: verb.replaceAll('_', ' ') }
}

/** What a resource is called that is there no longer. */
function nameIn({ before, after }: Changes): string | undefined {
  const all = after ?? before ?? {}
  const name = all.displayName ?? all.userName
  return typeof name === 'string' ? name : undefined
}

/** A resource by its name: a link where it is still there. */
function Subject(props: { event: TimelineEvent; label: string | undefined; changes: Changes; path: string }) {
  const { event, label, changes, path } = props
  const { type, resourceType, resourceId } = event
  if (type.startsWith('brake.')) return <>The leaver brake</>
  if (type.startsWith('tenant.')) return <>The tenant</>
  if (type.startsWith('connection.')) return <>The connection</>
  const collection = { User: 'users', Group: 'groups' }[resourceType]
  const name = changes.key?.name ?? changes.role ?? label ?? nameIn(changes) ?? resourceId
  const words = (
    <>
      {changes.key === undefined ? resourceType : 'API key'} <strong>{name}</strong>
    </>
  )
  if (collection === undefined || label === undefined) return words
  return <a href={`${path}/${collection}/${resourceId}`}>{words}</a>
}

/** Who joined or left: by name where that is one person, or the person whose history it is. */
function People(props: {
  changes: Changes
  labels: ReadonlyMap<string, string>
  path: string
  of: string | undefined
}) {
  const { changes, labels, path, of } = props
  const { members, users } = changes
  const [ids, one] = users === undefined ? [members, 'member'] : [users, 'user']
  if (ids === undefined || typeof ids === 'number') return null
  const named = of !== undefined && ids.includes(of) ? of : ids.length === 1 ? ids[0] : undefined
  const label = named === undefined ? undefined : labels.get(named)
  if (label === undefined) return <>{ids.length === 1 ? `one ${one}` : counted(ids.length, one)}</>
  return (
    <>
      <a href={`${path}/users/${named}`}>{label}</a>
      {ids.length > 1 && ` and ${counted(ids.length - 1, `other ${one}`)}`}
    </>
  )
}

/** Ids that a page of events shows by name: of resources, and of single members. */
export function idsIn(events: readonly TimelineEvent[]): string[] {
  return events.flatMap(({ resourceId, changes }) => {
    const { members = [], users } = JSON.parse(changes) as Changes
    const people = [...members, ...(Array.isArray(users) ? (users as readonly string[]) : [])]
    return [resourceId, ...(people.length === 1 ? people : [])]
  })
}

function Details({ changes: { changed = [] } }: { changes: Changes }) {
  // The line above says already that a user was activated or deactivated.
  const told = changed.filter(({ path }) => path !== 'active')
  if (told.length === 0) return null
  return (
    <ul class="changes">
      {told.map(({ path, before, after }) => (
        <li>
          {path} {before !== undefined && <del>{textOf(before)}</del>}{' '}
          {after !== undefined && <ins>{textOf(after)}</ins>}
        </li>
      ))}
    </ul>
  )
}

const LONGEST = 120

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}
