import type { LoggedEvent } from './event.ts'
import { isOfResource } from './types.ts'

/** What a stretch of a log says of one resource. */
export interface ChangedResource {
  readonly type: string
  readonly id: string
  /** Ids of those who came into a group, and of those who left it; undefined where nobody did. */
  readonly members: { readonly added: readonly string[]; readonly removed: readonly string[] } | undefined
}

/** The resources of a stretch, each once, in the order of their last events. Who came and went is what was last. */
export function changedResources(events: readonly LoggedEvent[]): ChangedResource[] {
  const last = new Map<string, LoggedEvent>()
  const moves = new Map<string, Map<string, boolean>>()
  for (const event of events) {
    if (!isOfResource(event.type)) continue
    // To the end, whatever was known of it.
    last.delete(event.resourceId)
    last.set(event.resourceId, event)
    const joined = event.type === 'group.member_added'
    if (!joined && event.type !== 'group.member_removed') continue
    const ofGroup = moves.get(event.resourceId) ?? new Map<string, boolean>()
    moves.set(event.resourceId, ofGroup)
    for (const member of (JSON.parse(event.changes) as { members: string[] }).members) ofGroup.set(member, joined)
  }
  return [...last.values()].map(({ resourceId: id, resourceType: type }) => {
    const ofGroup = moves.get(id)
    const those = (joined: boolean) => [...(ofGroup ?? [])].flatMap(([member, is]) => (is === joined ? [member] : []))
    return { type, id, members: ofGroup && { added: those(true), removed: those(false) } }
  })
}
