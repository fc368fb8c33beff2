import { listRequests, type RequestSummary } from '../../administration/requests.ts'
import { readLatest } from '../../delivery/read-log.ts'
import type { EventType } from '../../events/types.ts'
import { CONSOLES, clientOf } from '../../explanations/clients.ts'
import { isOfSelfTest } from '../../self-test/token.ts'
import { counted } from '../console/parts.tsx'
import type { Standing } from './connection.ts'
import { lastUse } from './connection.ts'
import { linkOf, type PortalContext } from './env.ts'

/** What became of something, in one word. */
export type Outcome = 'arrived' | 'changed' | 'left' | 'asked' | 'refused'

/** Something that the identity provider has done, in words for people who have not read the RFCs. Nobody's name is in it. */
export interface Arrival {
  readonly at: Date
  readonly outcome: Outcome
  readonly what: string
  /** What to change at the identity provider, where something was wrong. */
  readonly remedy?: string
}

const MOST = 50

const EVENTS: Readonly<Partial<Record<EventType, readonly [Outcome, string]>>> = {
  'user.created': ['arrived', 'A user has arrived.'],
  'user.updated': ['changed', 'A user was changed.'],
  'user.activated': ['arrived', 'A user was activated.'],
  'user.deactivated': ['left', 'A user was deactivated.'],
  'user.deleted': ['left', 'A user was deleted.'],
  'group.created': ['arrived', 'A group has arrived.'],
  'group.updated': ['changed', 'A group was changed.'],
  'group.deleted': ['left', 'A group was deleted.'],
  'group.member_added': ['changed', 'A group has got members.'],
  'group.member_removed': ['changed', 'A group has lost members.'],
}

/**
 * What has arrived lately, the newest first: the requests of the tenant. Where the log keeps no requests that were accepted, what
 * has happened to users and groups stands in their place.
 */
export async function arrivalsOf(
  c: PortalContext,
  { keys, settings }: Pick<Standing, 'keys' | 'settings'>,
): Promise<readonly Arrival[]> {
  const { requestLog } = settings
  const uses = keys.flatMap(({ name, secrets }): Arrival[] => {
    const at = lastUse({ secrets })
    const client = secrets.find(({ lastUsedAt }) => lastUsedAt?.getTime() === at?.getTime())?.lastUsedBy ?? 'A client'
    return at === null ? [] : [{ at, outcome: 'asked', what: `${client} has used the token “${name}”.` }]
  })
  const requests = requestLog === 'off' ? [] : await requestsOf(c)
  const changes = requestLog === 'all' ? [] : await changesOf(c)
  return [...uses, ...requests, ...changes].sort((a, b) => b.at.getTime() - a.at.getTime()).slice(0, MOST)
}

async function changesOf(c: PortalContext): Promise<readonly Arrival[]> {
  const { events } = await readLatest(c.var.database, linkOf(c).place.tenant.id, { limit: MOST })
  return events.flatMap(({ type, occurredAt }): Arrival[] => {
    const words = EVENTS[type as EventType]
    return words === undefined ? [] : [{ at: new Date(occurredAt), outcome: words[0], what: words[1] }]
  })
}

async function requestsOf(c: PortalContext): Promise<readonly Arrival[]> {
  const { requests } = await listRequests(c.var.database, linkOf(c).link.scope, { limit: MOST })
  return requests.filter(({ client }) => !isOfSelfTest(client)).map(arrivalOf)
}

/** One request of the log. */
function arrivalOf({ at: ms, explanation, operation, path, client, dropped }: RequestSummary): Arrival {
  const at = new Date(ms)
  if (operation === 'gap')
    return { at, outcome: 'asked', what: `${counted(dropped ?? 0, 'request')} came at once and cannot be listed here.` }
  if (explanation !== null) return { at, outcome: 'refused', what: explanation.problem, remedy: explanation.remedy }
  const name = clientOf(client ?? undefined)
  const who = name === undefined ? 'A client' : CONSOLES[name].Name
  const thing = /^\/Users(?:[/?]|$)/.test(path) ? 'user' : /^\/Groups(?:[/?]|$)/.test(path) ? 'group' : 'resource'
  const [outcome, what] = ACCEPTED[operation](thing, who)
  return { at, outcome, what }
}

type Words = (thing: string, who: string) => readonly [Outcome, string]

/** What it means that a request was accepted. */
const ACCEPTED: Readonly<Record<Exclude<RequestSummary['operation'], 'gap'>, Words>> = {
  create: (thing) => ['arrived', `A ${thing} has arrived.`],
  replace: (thing) => ['changed', `A ${thing} was changed.`],
  modify: (thing) => ['changed', `A ${thing} was changed.`],
  delete: (thing) => ['left', `A ${thing} was deleted.`],
  bulk: (_, who) => ['changed', `${who} has sent many changes in one request.`],
  read: (thing, who) => ['asked', `${who} has read a ${thing}.`],
  list: (thing, who) => ['asked', `${who} has looked for ${thing}s.`],
  logout: (_, who) => ['left', `${who} has ended all sessions of a user.`],
  discovery: (_, who) => ['asked', `${who} has asked what this service can do.`],
  token: (_, who) => ['asked', `${who} has asked for an access token.`],
  other: (_, who) => ['asked', `${who} has asked for something else.`],
}
