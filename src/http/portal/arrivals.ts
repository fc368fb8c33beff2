import { readLatest } from '../../delivery/read-log.ts'
import type { EventType } from '../../events/types.ts'
import type { Tone } from '../console/parts.tsx'
import type { Standing } from './connection.ts'
import { lastUse } from './connection.ts'
import { linkOf, type PortalContext } from './env.ts'

/** Something that the identity provider has done, in words for people who have not read the RFCs. Nobody's name is in it. */
export interface Arrival {
  readonly at: Date
  readonly tone: Tone
  readonly what: string
  /** What to change at the identity provider, where something was wrong. */
  readonly remedy?: string
}

const MOST = 50

const WORDS: Readonly<Partial<Record<EventType, readonly [Tone, string]>>> = {
  'user.created': ['good', 'A user has arrived.'],
  'user.updated': ['plain', 'A user was changed.'],
  'user.activated': ['good', 'A user was activated.'],
  'user.deactivated': ['warn', 'A user was deactivated.'],
  'user.deleted': ['warn', 'A user was deleted.'],
  'group.created': ['good', 'A group has arrived.'],
  'group.updated': ['plain', 'A group was changed.'],
  'group.deleted': ['warn', 'A group was deleted.'],
  'group.member_added': ['good', 'A group has got members.'],
  'group.member_removed': ['warn', 'A group has lost members.'],
}

/** What has arrived lately, the newest first. */
export async function arrivalsOf(c: PortalContext, { keys }: Pick<Standing, 'keys'>): Promise<readonly Arrival[]> {
  const { place } = linkOf(c)
  const { events } = await readLatest(c.var.database, place.tenant.id, { limit: MOST })
  const changes = events.flatMap(({ type, occurredAt }): Arrival[] => {
    const words = WORDS[type as EventType]
    return words === undefined ? [] : [{ at: new Date(occurredAt), tone: words[0], what: words[1] }]
  })
  const uses = keys.flatMap(({ name, secrets }): Arrival[] => {
    const at = lastUse({ secrets })
    const client = secrets.find(({ lastUsedAt }) => lastUsedAt?.getTime() === at?.getTime())?.lastUsedBy ?? 'A client'
    return at === null ? [] : [{ at, tone: 'good', what: `${client} has used the token “${name}”.` }]
  })
  return [...uses, ...changes].sort((a, b) => b.at.getTime() - a.at.getTime()).slice(0, MOST)
}
