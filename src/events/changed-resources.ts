import { ERASED_CHANGES, type LoggedEvent } from './event.ts'
import { isOfResource, type ResourceVerb, resourceVerb } from './types.ts'

/** What a page of a log says of one resource. */
export interface ChangedResource {
  readonly type: string
  readonly id: string
  /** Ids of the members that a group got, and of those that it lost; undefined when no event tells of members. */
  readonly members: { readonly added: readonly string[]; readonly removed: readonly string[] } | undefined
}

/** Whether an event says that members joined its group, that they left it, or nothing of members. */
const MEMBERS = {
  created: undefined,
  updated: undefined,
  activated: undefined,
  deactivated: undefined,
  deleted: undefined,
  member_added: 'joined',
  member_removed: 'left',
  sessions_revoked: undefined,
} as const satisfies Readonly<Record<ResourceVerb, 'joined' | 'left' | undefined>>

/** The resources of a page, each once, in the order of their last events. The last event of a member counts. */
export function changedResources(events: readonly LoggedEvent[]): ChangedResource[] {
  const last = new Map<string, LoggedEvent>()
  const moves = new Map<string, Map<string, 'joined' | 'left'>>()
  for (const event of events) {
    // The end of sessions changes no resource.
    if (!isOfResource(event.type) || event.type === 'user.sessions_revoked') continue
    // A resource that was there before moves to the end.
    last.delete(event.resourceId)
    last.set(event.resourceId, event)
    const verb = resourceVerb(event.type)
    const move = verb && MEMBERS[verb]
    if (move === undefined || event.changes === ERASED_CHANGES) continue
    const ofGroup = moves.get(event.resourceId) ?? new Map<string, 'joined' | 'left'>()
    moves.set(event.resourceId, ofGroup)
    for (const member of (JSON.parse(event.changes) as { members: string[] }).members) ofGroup.set(member, move)
  }
  return [...last.values()].map(({ resourceId: id, resourceType: type }) => {
    const ofGroup = moves.get(id)
    const those = (which: 'joined' | 'left') =>
      [...(ofGroup ?? [])].flatMap(([member, move]) => (move === which ? [member] : []))
    return { type, id, members: ofGroup && { added: those('joined'), removed: those('left') } }
  })
}
