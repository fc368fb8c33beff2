import type { ChangeEvent } from '../../events/changes.ts'
import type { LoggedEventType } from '../../events/types.ts'
import type { ScimError } from '../../scim/errors.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { KeptUser } from './kept-users.ts'
import type { ResourceRow } from './rows.ts'
import type { ResourceKey, StoredForm } from './stored-form.ts'

/** A resource to be made. */
export interface NewResource {
  readonly id: string
  readonly type: ResourceType
  readonly stored: StoredForm
  readonly passwordHash: string | null
  /** Type of the event that the creation appends. */
  readonly event: LoggedEventType
  /** Set for a kept user who comes back under the same id: version and time of creation go on. */
  readonly revived?: KeptUser | undefined
}

/** What became of one new resource. */
export type Created =
  | { readonly outcome: 'created'; readonly row: ResourceRow }
  /** Another resource has the unique name. */
  | { readonly outcome: 'taken' }
  /** Of a group, for the role that it would give. */
  | { readonly outcome: 'refused'; readonly error: ScimError }

/** A resource's next state; applied only where the row still has `expectedVersion`. */
export interface ChangedResource {
  readonly id: string
  readonly type: ResourceType
  readonly expectedVersion: number
  readonly stored: StoredForm
  /** Null keeps the stored one, an empty text takes it away. */
  readonly passwordHash: string | null
  readonly keysRemoved: readonly ResourceKey[]
  readonly keysAdded: readonly ResourceKey[]
  readonly events: readonly ChangeEvent[]
  /** How many active users it makes more of, by `expectedVersion`. */
  readonly activeDelta: -1 | 0 | 1
}

/** What an update makes new in a row, beside what was put there. */
export type UpdatedRow = Pick<ResourceRow, 'version' | 'created' | 'modified' | 'manager'>

/** What became of one resource that was to be removed. */
export interface Removed {
  /** Undefined: there is no such resource. */
  readonly version: number | undefined
  /** False: it is there, but not in the expected version. */
  readonly removed: boolean
}
