/** Anything that JSON can say. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

/** Attributes of a resource, as SCIM names them; those of extensions stand under their URN. */
export interface Attributes {
  readonly [name: string]: unknown
}

/** What an event says of a user's attributes. */
export interface UserAttributes extends Attributes {
  readonly userName: string
  readonly externalId?: string | undefined
  readonly displayName?: string | undefined
  readonly active?: boolean | undefined
  readonly name?: { readonly givenName?: string | undefined; readonly familyName?: string | undefined } | undefined
  readonly emails?:
    | readonly {
        readonly value?: string | undefined
        readonly type?: string | undefined
        readonly primary?: boolean | undefined
      }[]
    | undefined
}

/** What an event says of a group's attributes; members have events of their own. */
export interface GroupAttributes extends Attributes {
  readonly displayName: string
  readonly externalId?: string | undefined
}

/** What an event says of an AI agent's attributes. */
export interface AgentAttributes extends Attributes {
  readonly agentUserName: string
  readonly externalId?: string | undefined
  readonly displayName?: string | undefined
  readonly description?: string | undefined
  readonly active?: boolean | undefined
}

/** A path in the notation of SCIM, and the values where they are no secret and were there. */
export interface Change {
  readonly path: string
  readonly before?: unknown
  readonly after?: unknown
}

/** What has changed, path by path. */
export interface Changed {
  readonly changed: readonly Change[]
}

/** An API key, as events name it. */
export interface NamedKey {
  readonly id: string
  readonly name: string
}

/** How an API key was changed. */
export interface ChangedKey extends Changed {
  readonly key: NamedKey
}

/** How many people leave, and how many may. */
export interface Leavers {
  readonly leavers: number
  readonly users: number
  readonly limit: { readonly count?: number | undefined; readonly percent?: number | undefined }
  readonly windowMinutes: number
}

/** How an identity provider is heard of. */
export interface ConnectionState {
  readonly provider: string | null
  readonly client: string | null
  readonly since: string | null
}

/** Who got or lost a role. */
export interface RoleMove {
  /** Key of the role. */
  readonly role: string
  readonly users: readonly string[]
  /** Where the identity provider wrote the value; a role by groups has none. */
  readonly attribute?: 'roles' | 'entitlements' | undefined
}

/** An account of the application, and the user whose it is or was. */
export interface AccountOfUser {
  /** The application's id. */
  readonly account: string
  /** Id of the user. */
  readonly user: string
}

/** Every type of event that the gateway has by itself, with what `changes` hold. */
export interface EventChanges {
  'user.created': {
    readonly after: UserAttributes
    /** The account that is the same person, where one was found. */
    readonly account?: string | undefined
    /** Accounts that may be the same person: somebody has to decide. */
    readonly candidates?: readonly string[] | undefined
  }
  'user.updated': Changed
  'user.activated': Changed
  'user.deactivated': Changed & { readonly keptUntil?: string | undefined }
  'user.deleted': {
    readonly before?: UserAttributes | undefined
    readonly keptUntil?: string | undefined
    /** Where the event was repeated for an account that the application has still. */
    readonly account?: string | undefined
  }
  'user.sessions_revoked': {
    readonly issuer: { readonly name: string; readonly url: string }
    readonly subjectFormat: string
  }
  'group.created': { readonly after: GroupAttributes }
  'group.updated': Changed
  'group.deleted': { readonly before: GroupAttributes; readonly memberCount: number }
  'group.member_added': { readonly members: readonly string[] }
  'group.member_removed': { readonly members: readonly string[] }
  'agent.created': { readonly after: AgentAttributes }
  'agent.updated': Changed
  'agent.activated': Changed
  'agent.deactivated': Changed
  'agent.deleted': { readonly before: AgentAttributes }
  'role.assigned': RoleMove
  'role.unassigned': RoleMove
  'account.linked': AccountOfUser & { readonly by: 'externalId' | 'userName' | 'email' | 'review' }
  'account.unlinked': AccountOfUser
  'account.merged': { readonly account: string; readonly into: string }
  'tenant.created': { readonly after: Attributes }
  'tenant.updated': Changed
  'tenant.paused': Changed
  'tenant.resumed': Changed
  'tenant.seats_exhausted': { readonly maxActiveUsers: number }
  'mapping.changed': { readonly [name: string]: never }
  'connection.silent': ConnectionState & { readonly typicalPauseSeconds: number; readonly longestPauseSeconds: number }
  'connection.failing': ConnectionState & { readonly failures: number; readonly lastStatus: number | null }
  'connection.recovered': ConnectionState & { readonly was: string; readonly wasSince: string | null }
  'api_key.created': { readonly key: NamedKey; readonly after: Attributes }
  'api_key.changed': ChangedKey
  'api_key.rotated': ChangedKey
  'api_key.rotation_ended': ChangedKey
  'api_key.rotation_undone': ChangedKey
  'api_key.public_key_added': ChangedKey
  'api_key.public_key_removed': ChangedKey
  'api_key.trust_added': ChangedKey
  'api_key.trust_removed': ChangedKey
  'api_key.revoked': ChangedKey
  'brake.warned': Leavers
  'brake.engaged': Leavers & { readonly heldUntil: string }
  'brake.released': {
    readonly reason: 'approved' | 'time_limit' | 'switched_off'
    readonly events: number
    readonly note?: string | undefined
  }
}

/** A type of event that the gateway has by itself. */
export type EventType = keyof EventChanges

/** What stands around `changes`, whatever the type. */
export interface Envelope<Type extends string, Changes> {
  /** The same however often the event comes. */
  readonly id: string
  /** Counts the events of the tenant from 1, without gaps. */
  readonly position: number
  readonly type: Type
  /** Id of the tenant. */
  readonly tenant: string
  /** When it happened (ISO 8601). */
  readonly time: string
  /** What it is about, with the version that the change led to. */
  readonly resource: { readonly type: string; readonly id: string; readonly version: number }
  readonly requestId: string
  /** Id of the API key that asked for the change. */
  readonly actor: string
  /** The application's own id of the account that the user has, where it has posted accounts. */
  readonly account?: string | undefined
  /** Where the event tells again what the application has missed. */
  readonly origin?: 'repair' | undefined
  /** The event is about a person who was erased since. Then `changes` is empty, whatever its type says: ask for this first. */
  readonly erased?: true | undefined
  readonly changes: Changes
  /** Of an event about a user who is there, where the tenant has a mapping: what it makes of the user as it is now. */
  readonly mapped?: Mapped | undefined
  /** The resource as it is now, where the webhook asks for it; null where it is gone. */
  readonly snapshot?: Snapshot | null | undefined
}

/** What a mapping makes of a user: each name of the mapping, null where there is no value. */
export interface Mapped {
  readonly [name: string]: string | number | boolean | null | readonly string[]
}

/** A resource as it is now. */
export interface Snapshot {
  readonly version: number
  readonly active?: boolean | undefined
  readonly attributes: Attributes
}

/** An event of one type. */
export type EventOf<Type extends EventType> = { readonly [T in Type]: Envelope<T, EventChanges[T]> }[Type]

/** Any event that the gateway has by itself; `switch (event.type)` tells them apart. */
export type RollcallEvent = EventOf<EventType>

/** Any event at all: also of resource types that an operator has registered, and of types that came after this release. */
export type AnyEvent = Envelope<string, { readonly [name: string]: unknown }>
