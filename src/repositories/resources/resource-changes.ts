import type { ChangeEvent } from '../../events/changes.ts'
import type { LoggedEventType } from '../../events/types.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { Claim } from '../../tenancy/adoption.ts'
import type { RoleWrites } from '../sql/written-roles.ts'
import type { KeptUser } from './kept-users.ts'
import type { ResourceRow } from './rows.ts'
import type { ResourceKey, StoredForm } from './stored-form.ts'
import type { SharedRole } from './write-result.ts'

/** A resource to be created. */
export interface NewResource {
  readonly id: string
  readonly type: ResourceType
  readonly stored: StoredForm
  readonly passwordHash: string | null
  /** Type of the event that its creation appends. */
  readonly event: LoggedEventType
  /** Set for a kept user who comes back under the same id: version and time of creation go on. */
  readonly revived?: KeptUser | undefined
  /** The roles that the identity provider gives a user by its values. */
  readonly roles?: RoleWrites | undefined
  /** By what a new user may be the same person as an account; only where the application has posted accounts. */
  readonly claims?: readonly Claim[] | undefined
}

/** The outcome for one new resource. */
export type Created =
  | { readonly outcome: 'created'; readonly row: ResourceRow }
  /** By the tenant's policy, a user who is, or may be, the same person as these accounts is not created. */
  | { readonly outcome: 'has-account'; readonly accounts: readonly string[] }
  /** Another resource has the unique name. */
  | { readonly outcome: 'taken' }
  /** Another group gives the role that this one would give. */
  | { readonly outcome: 'shared-role'; readonly shared: SharedRole }

/** A resource's next state; applied only where the row still has `expectedVersion`. */
export interface ChangedResource {
  readonly id: string
  readonly type: ResourceType
  readonly expectedVersion: number
  readonly stored: StoredForm
  /** Null keeps the stored one, an empty text removes it. */
  readonly passwordHash: string | null
  readonly keysRemoved: readonly ResourceKey[]
  readonly keysAdded: readonly ResourceKey[]
  readonly events: readonly ChangeEvent[]
  /** By how many the change raises the number of active users, where the row has `expectedVersion`. */
  readonly activeDelta: -1 | 0 | 1
  /** The roles that the identity provider gives a user by its values, or takes. */
  readonly roles?: RoleWrites | undefined
}

/** What an update sets in a row by itself, beside what the caller gave. */
export type UpdatedRow = Pick<ResourceRow, 'version' | 'created' | 'modified' | 'manager'>

/** Resources of one type to be removed. */
export interface Removal {
  readonly type: ResourceType
  /** `expectedVersion` null takes any. */
  readonly targets: readonly { readonly id: string; readonly expectedVersion: number | null }[]
  /** What events call the type, such as `user`. */
  readonly eventNoun: string
  /** For how many days users are kept, to be revived; undefined where they go at once. */
  readonly keepDays: number | undefined
}

/** What became of one resource that was to be removed. */
export interface Removed {
  /** Undefined: there is no such resource. */
  readonly version: number | undefined
  /** False when the resource exists in another version than expected. */
  readonly removed: boolean
}
