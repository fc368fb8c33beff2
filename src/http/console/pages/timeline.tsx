import type { LoggedEvent } from '../../../events/event.ts'
import { type EventVerb, type LoggedEventType, verbOf } from '../../../events/types.ts'
import { Moment, type Tone } from '../parts.tsx'

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
  released: { tone: 'good', verb: 'released what it held' },
}

interface Change {
  readonly path: string
  readonly before?: unknown
  readonly after?: unknown
}

/** Events as people look at them. @param labels names of resources by id @param path of the tenant */
export function Timeline(props: { events: readonly LoggedEvent[]; labels: ReadonlyMap<string, string>; path: string }) {
  const { events, labels, path } = props
  return (
    <ol class="timeline">
      {events.map((event) => {
        const { tone, verb } = shownOf(event.type)
        const changes = JSON.parse(event.changes) as Changes
        return (
          <li class={tone}>
            <Subject event={event} label={labels.get(event.resourceId)} changes={changes} path={path} /> {verb}{' '}
            {peopleIn(changes)}
            <br />
            <span class="when">
              <Moment at={event.occurredAt} /> · {event.type} · position {event.position} · by{' '}
              <code>{event.actor}</code>
            </span>
            <Details changes={changes} />
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
function Subject(props: { event: LoggedEvent; label: string | undefined; changes: Changes; path: string }) {
  const { event, label, changes, path } = props
  const { type, resourceType, resourceId } = event
  if (type.startsWith('brake.')) return <>The leaver brake</>
  if (type.startsWith('tenant.')) return <>The tenant</>
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

function peopleIn({ members, users }: Changes): string {
  const [ids, one] = users === undefined ? [members, 'member'] : [users, 'user']
  if (ids === undefined || typeof ids === 'number') return ''
  return ids.length === 1 ? `one ${one}` : `${ids.length.toLocaleString('en')} ${one}s`
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
