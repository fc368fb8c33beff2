import type { LoggedEvent } from '../events/event.ts'
import type { LogPage } from '../repositories/log/event-log.ts'
import type { MappingPlan } from '../tenancy/mapping/compile.ts'

// A mapping that makes lists from names of groups gives a user another value when a group changes, and no event is about the user.
// Readers of changes are told of such users by what happened to groups.

/** Whose mapped values some events may have changed, beside the users whom they are about. */
export interface Affected {
  /** Ids of those who came into a group or left it, be they users or groups. */
  readonly members: ReadonlySet<string>
  /** Whether it may be anybody: the mapping is another one, or a group that counts has another name, or is gone. */
  readonly anybody: boolean
}

/**
 * What some events of a tenant mean for mapped values.
 *
 * @param plan of the mapping in force; undefined where there is none
 */
export function affectedBy(events: readonly LoggedEvent[], plan: MappingPlan | undefined): Affected {
  const members = new Set<string>()
  let anybody = false
  for (const event of events) {
    if (event.type === 'mapping.changed') anybody = true
    if (plan?.usesGroups !== true) continue
    for (const id of membersIn(event)) members.add(id)
    anybody ||= event.type === 'group.updated' && isRenamed(event, plan)
    // Nobody is told who its members were, nor which groups it was in.
    anybody ||= event.type === 'group.deleted' && (changesIn(event) as { memberCount: number }).memberCount > 0
  }
  return { members, anybody }
}

const changesIn = ({ changes }: LoggedEvent): unknown => JSON.parse(changes)

/** Empty for an event about a person who was erased. */
const membersIn = (event: LoggedEvent): readonly string[] =>
  event.type === 'group.member_added' || event.type === 'group.member_removed'
    ? ((changesIn(event) as { members?: string[] }).members ?? [])
    : []

function isRenamed(event: LoggedEvent, plan: MappingPlan): boolean {
  const { changed } = changesIn(event) as { changed: { path: string; before?: unknown; after?: unknown }[] }
  const names = changed.flatMap(({ path, before, after }) => (path === 'displayName' ? [before, after] : []))
  return names.some((name) => typeof name === 'string' && plan.namesGroup(name))
}

/** Members of groups that one answer looks at; one event has at most so many. */
const MOST_MEMBERS = 1_000

/** The beginning of a page, where more members came and went in tenants with a mapping than one answer shows. */
export function withFewMembers<Event extends LoggedEvent>(
  page: LogPage<Event>,
  positionOf: (event: Event) => number,
): LogPage<Event> {
  const seen = new Set<string>()
  const end = page.events.findIndex((event, n) => {
    if (event.maps !== true) return false
    for (const id of membersIn(event)) seen.add(id)
    return seen.size > MOST_MEMBERS && n > 0
  })
  if (end === -1) return page
  const events = page.events.slice(0, end)
  return { ...page, events, next: positionOf(events.at(-1) as Event) }
}
