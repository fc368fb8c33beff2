import type { Attributes } from '../receiver/events.ts'

/** A value that a mapping gives. */
export type MappedValue = string | number | boolean | null | readonly string[]

/** What a generated column of a mapped value holds. */
export type ColumnType = 'text' | 'number' | 'boolean' | 'list'

/** The gateway, and what of it is mirrored. */
export interface MirroredGateway {
  /** Such as `https://scim.example.com`. */
  readonly origin: string
  /** An API key with the permission `directory:read`, of the environment; for one tenant, of that tenant is enough. */
  readonly key: string
  /** Key or id; `default` without it. */
  readonly project?: string | undefined
  /** Key or id; `dev` without it. */
  readonly environment?: string | undefined
  /** Key or id of the one tenant to mirror; without it, all tenants of the environment. */
  readonly tenant?: string | undefined
  /** In place of the global one. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined
}

/** How a mirror works. */
export interface MirrorOptions {
  readonly gateway: MirroredGateway
  /** URL of the application's PostgreSQL; a pooler in transaction mode may stand in front of it. */
  readonly database: string
  /** The PostgreSQL schema for the mirror's tables; `rollcall` without it. */
  readonly schema?: string | undefined
  /** Mapped values that get a column of their own in `users`, by their names. */
  readonly columns?: Readonly<Record<string, ColumnType>> | undefined
  /**
   * What becomes of the row of a user or group that is gone: `keep`, the default, leaves its id with a `deleted_at` and empties the
   * rest; `delete` deletes the row.
   */
  readonly deleted?: 'keep' | 'delete' | undefined
  /** Whether each change is also a row of the table `outbox`, for `consumeOutbox`. */
  readonly outbox?: boolean | undefined
  /** Is told what changed, within the transaction that changes it; when it throws, nothing has changed, and the mirror tries again. */
  readonly onChange?: ((changes: readonly Change[], transaction: Transaction) => Promise<void> | void) | undefined
  /** Is told what the mirror does, for logs. */
  readonly onReport?: ((report: Report) => void) | undefined
}

/** The transaction in which a mirror writes. */
export interface Transaction {
  /** Runs one statement with values for `$1`, `$2` and so on. */
  query<Row extends object>(statement: string, values?: readonly (string | number | boolean | null)[]): Promise<Row[]>
}

/** A user as the mirror has it. */
export interface MirroredUser {
  readonly id: string
  readonly userName: string
  readonly externalId: string | null
  readonly displayName: string | null
  /** The primary address, else the first one. */
  readonly email: string | null
  readonly active: boolean
  /** The application's own id of the account that the user has. */
  readonly account: string | null
  /** As SCIM names them. */
  readonly attributes: Attributes
  /** By the tenant's mapping; null where it has none. */
  readonly mapped: Readonly<Record<string, MappedValue>> | null
}

/** A group as the mirror has it. */
export interface MirroredGroup {
  readonly id: string
  readonly displayName: string | null
  readonly externalId: string | null
  readonly attributes: Attributes
}

/** Something that changed in the mirror; `tenant` is the tenant's id. */
export type Change = { readonly tenant: string } & (
  | { readonly kind: 'tenant.added' | 'tenant.changed'; readonly key: string | null; readonly name: string | null }
  | { readonly kind: 'tenant.removed' }
  | { readonly kind: 'user.added' | 'user.changed'; readonly user: MirroredUser }
  | { readonly kind: 'user.removed'; readonly user: { readonly id: string } }
  | { readonly kind: 'group.added' | 'group.changed'; readonly group: MirroredGroup }
  | { readonly kind: 'group.removed'; readonly group: { readonly id: string } }
  | { readonly kind: 'membership.added' | 'membership.removed'; readonly group: string; readonly user: string }
  | { readonly kind: 'role.added' | 'role.removed'; readonly role: string; readonly user: string }
)

/** What a mirror does. */
export type Report =
  /** Another mirror writes; this one waits for its end. */
  | { readonly state: 'standby' }
  /** The snapshot of tenants is read, since they are new or the feed has not told of all. */
  | { readonly state: 'reading'; readonly tenants: number; readonly reason: string }
  /** All is read, and the feed is followed from here on. */
  | { readonly state: 'following' }
  /** Events were written and committed; `lagMs` is the time from the oldest of them to the commit. */
  | { readonly state: 'applied'; readonly events: number; readonly lagMs: number }
  /** It could not go on, and tries again after `retryMs`. */
  | { readonly state: 'trouble'; readonly reason: string; readonly retryMs: number }

/** How a mirror stands. */
export interface MirrorStatus {
  /** What it mirrors: project and environment, perhaps a tenant. */
  readonly source: string
  /** `behind` when no mirror has written for two minutes. */
  readonly state: 'reading' | 'following' | 'behind'
  /** Tenants whose snapshot is still to be read. */
  readonly tenantsToRead: number
  /** When a mirror last asked the gateway and wrote that down. */
  readonly seenAt: string | null
  /** When the newest event happened that the mirror has. */
  readonly eventTime: string | null
  /** From the oldest event of the last page to its commit. */
  readonly lagMs: number | null
  /** Why it cannot go on, where that is so. */
  readonly trouble: string | null
  /** Rows of the outbox that nobody has taken yet, up to 10,000. */
  readonly outbox: number
}

/** A mirror of the directory in the application's database. */
export interface Mirror {
  /**
   * Keeps the mirror up to date until `signal` is aborted. While another mirror writes the same schema, it waits as a standby.
   *
   * @throws {MirrorRefused} where the gateway refuses the key or the place at the start, or the database the schema
   */
  follow(signal: AbortSignal): Promise<void>
  /** Brings the mirror up to what the gateway has now, and returns. @throws {MirrorRefused} also while another mirror writes */
  catchUp(): Promise<void>
  status(): Promise<MirrorStatus>
  close(): Promise<void>
}

/** The gateway or the database refuses what the mirror needs; `message` says what, and what to do. */
export class MirrorRefused extends Error {
  override readonly name = 'MirrorRefused'
}
