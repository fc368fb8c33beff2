/** What the gateway has to know of a type of event. */
interface EventFacts {
  /** What `changes` hold; Markdown, for documents. */
  readonly changes: string
  /** True when people leave the tenant by it, or lose what they had: the leaver brake counts and holds such events. */
  readonly leaves: boolean
}

const stays = (changes: string): EventFacts => ({ changes, leaves: false })
const leaves = (changes: string): EventFacts => ({ changes, leaves: true })

/**
 * Every type of event, in the order in which documents list them. A new type begins here; the compiler then names the other
 * places that have to know it. Resources of registered types have `created`, `updated` and `deleted` too.
 */
const EVENTS = {
  'user.created': stays('`after`: the attributes'),
  'user.updated': stays('`changed`: paths with `before` and `after`; of secrets the path alone'),
  'user.activated': stays('`changed`: `active`'),
  'user.deactivated': leaves('`changed`: `active`; and `keptUntil`, where a deleted user is kept'),
  'user.deleted': leaves('`before`: the attributes; or `keptUntil`, of a user who was kept until then'),
  'user.sessions_revoked': stays('`issuer`: name and URL of who asked; `subjectFormat`: how it named the user'),
  'group.created': stays('`after`: the attributes, without members'),
  'group.updated': stays('`changed`'),
  'group.deleted': leaves('`before`, and `memberCount`: how many members the group had'),
  'group.member_added': stays('`members`: up to 1000 ids; more are more events of the same version'),
  'group.member_removed': leaves('`members`'),
  'agent.created': stays('`after`: the attributes; of tenants with the setting `agents`, as are the next four'),
  'agent.updated': stays('`changed`'),
  'agent.activated': stays('`changed`: `active`'),
  'agent.deactivated': stays('`changed`: `active`'),
  'agent.deleted': stays('`before`: the attributes'),
  'role.assigned': stays(
    '`role`: its key, and `users`: up to 1000 ids of the users who got it; `attribute`, where the identity provider wrote it',
  ),
  'role.unassigned': leaves('the same, of the users who lost it'),
  'account.linked': stays(
    '`account`: the application’s id; `user`: the id of the user; `by`: what they have in common, or `review`',
  ),
  'account.unlinked': stays('`account`, `user`: the two are not the same person, by a decision'),
  'account.merged': stays('`account`, `into`: two accounts are the same person’s, by a decision'),
  'tenant.created': stays('`after`: key, name, settings; whether it is paused'),
  'tenant.updated': stays('`changed`: `name`, `settings.…`; after a move also `key`, `environmentId`'),
  'tenant.paused': stays('`changed`: `paused`'),
  'tenant.resumed': stays('`changed`: `paused`'),
  'tenant.seats_exhausted': stays('`maxActiveUsers`; once until a user has got a seat again'),
  'mapping.changed': stays('nothing; what `mapped` says of each user of the tenant may be another'),
  'connection.silent': stays(
    '`provider`, `client`, `since`: the last request; `typicalPauseSeconds`, `longestPauseSeconds`: as it was before',
  ),
  'connection.failing': stays('`provider`, `client`, `since`, `failures`: refused in a row; `lastStatus`'),
  'connection.recovered': stays('`provider`, `client`, `since`; `was`: `silent` or `failing`; `wasSince`'),
  'api_key.created': stays('`key`: id and name; `after`'),
  'api_key.changed': stays('`key`, `changed`'),
  'api_key.rotated': stays('`key`, `changed`'),
  'api_key.rotation_ended': stays('`key`, `changed`'),
  'api_key.rotation_undone': stays('`key`, `changed`'),
  'api_key.public_key_added': stays('`key`, `changed`'),
  'api_key.public_key_removed': stays('`key`, `changed`'),
  'api_key.trust_added': stays('`key`, `changed`'),
  'api_key.trust_removed': stays('`key`, `changed`'),
  'api_key.revoked': stays('`key`, `changed`'),
  'brake.warned': stays('`leavers`, `users`, `limit`, `windowMinutes`'),
  'brake.engaged': stays('the same, and `heldUntil`'),
  'brake.released': stays('`reason`: `approved`, `time_limit` or `switched_off`; `events`: how many were held; `note`'),
} satisfies Readonly<Record<string, EventFacts>>

/** A type of event that the gateway has by itself. */
export type EventType = keyof typeof EVENTS

/** Types that take away the whole access of a person or an agent: receivers hear of these before anything else that waits for them. */
export const SHUTS_OUT: readonly EventType[] = [
  ...(['user.deactivated', 'user.deleted', 'user.sessions_revoked'] as const),
  ...(['agent.deactivated', 'agent.deleted'] as const),
]

/** The verbs of events about resources of registered types. */
type RegisteredVerb = 'created' | 'updated' | 'deleted'
/** A type of event about resources of a type that an operator has registered, such as `device.created`. */
export type RegisteredEventType = `${string}.${RegisteredVerb}`

/** A type of event as a log has it. */
export type LoggedEventType = EventType | RegisteredEventType

type VerbOf<Type extends EventType> = Type extends `${string}.${infer Verb}` ? Verb : never
/** What may happen to anything that the log tells of. */
export type EventVerb = VerbOf<EventType>
/** What may happen to an API key. */
export type ApiKeyVerb = VerbOf<Extract<EventType, `api_key.${string}`>>
/** What may happen to a resource. */
export type ResourceVerb = VerbOf<Extract<EventType, `user.${string}` | `group.${string}`>>

/** Each verb of a resource; the compiler misses one that is new. */
const RESOURCE_VERBS = {
  created: true,
  updated: true,
  activated: true,
  deactivated: true,
  deleted: true,
  member_added: true,
  member_removed: true,
  sessions_revoked: true,
} satisfies Readonly<Record<ResourceVerb, true>>

const ALL = Object.entries(EVENTS) as readonly [EventType, EventFacts][]

/** The types of events that the gateway has by itself, in the order of documents. */
export const EVENT_TYPES: readonly EventType[] = ALL.map(([type]) => type)

/** Types of events by which people leave the tenant, or lose what they had. */
export const LEAVER_TYPES: readonly EventType[] = ALL.filter(([, { leaves }]) => leaves).map(([type]) => type)

/** What `changes` of a type hold; Markdown, for documents. */
export const changesOf = (type: EventType): string => EVENTS[type].changes

/** The types of events as a list in Markdown, for documents. */
export const EVENT_TYPE_LIST = ALL.map(([type, { changes }]) => `- \`${type}\` — ${changes}`).join('\n')

/** `User` → `user`, as event types begin. */
export const eventNoun = (resourceType: string): string => resourceType.charAt(0).toLowerCase() + resourceType.slice(1)

/** What happened to the resource that an event is about; undefined for an event about anything else. */
export function resourceVerb(type: LoggedEventType): ResourceVerb | undefined {
  const verb = verbOf(type)
  return isOfResource(type) && Object.hasOwn(RESOURCE_VERBS, verb) ? (verb as ResourceVerb) : undefined
}

const OF_RESOURCES: ReadonlySet<string> = new Set(['user', 'group', 'agent'])

/** What the log has events of beside resources. */
const BESIDE: ReadonlySet<string> = new Set(ALL.map(([type]) => nounOf(type)).filter((noun) => !OF_RESOURCES.has(noun)))

/** False for events about the tenant itself, its keys, its roles and its leaver brake. */
export const isOfResource = (type: LoggedEventType): boolean => !BESIDE.has(nounOf(type))

/** Whether events of a resource type of this name, in any letter case, could not be told from those that are of no resource. */
export const isNounTaken = (resourceType: string): boolean => BESIDE.has(eventNoun(resourceType).toLowerCase())

/** What follows the dot; of a type from a newer instance it may be any text. */
export function verbOf(type: LoggedEventType): string {
  return type.slice(type.indexOf('.') + 1)
}

function nounOf(type: LoggedEventType): string {
  return type.slice(0, type.indexOf('.'))
}
