import type { ChangeEvent } from '../../events/changes.ts'
import type { LoggedEventType } from '../../events/types.ts'
import type { ScimError } from '../../scim/errors.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { KeptUser } from './kept-users.ts'
import type { ResourceRow } from './rows.ts'
import type { ResourceKey, StoredForm } from './stored-form.ts'

/** A resource to be created. */
export interface NewResource {
  readonly id: string
  readonly type: ResourceType
  readonly stored: StoredForm
  readonly passwordHash: string | null
  /** Type of the event that the creation appends. */
  readonly event: LoggedEventType
  /** Set for a kept user who returns under the same id, with version and time of creation. */
  readonly revived?: KeptUser | undefined
}

/** The outcome for one new resource. */
export type Created =
  | { readonly outcome: 'created'; readonly row: ResourceRow }
  /** Another resource has the unique name. */
  | { readonly outcome: 'taken' }
  /** The group would give a role that another group gives. */
  | { readonly outcome: 'refused'; readonly error: ScimError }

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
  /** The change of the number of active users, compared with `expectedVersion`. */
  readonly activeDelta: -1 | 0 | 1
}

/** The columns of a row that an update computes. */
export type UpdatedRow = Pick<ResourceRow, 'version' | 'created' | 'modified' | 'manager'>

/** The outcome for one resource that was to be removed. */
export interface Removed {
  /** Undefined: there is no such resource. */
  readonly version: number | undefined
  /** False when the resource exists in another version than expected. */
  readonly removed: boolean
}
