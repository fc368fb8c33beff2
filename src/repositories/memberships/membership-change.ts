import { isOurId } from '../sql/ids.ts'

/**
 * A change of one group's members. With `clear` it removes all members that are not in `add`, otherwise only those in `remove`.
 */
export interface MembershipChange {
  readonly groupId: string
  /** Null for any version. */
  readonly expectedVersion: number | null
  readonly clear: boolean
  readonly add: readonly string[]
  readonly remove: readonly string[]
  /** By id, the `display` that the client sent with an added member. */
  readonly displays?: ReadonlyMap<string, string>
  /** True when the same transaction has given the group a new version already, of which this change is a part. */
  readonly counted?: boolean
}

/** Ids in `add` that are not of our making. They name no resource, and must not reach a uuid column. */
export const strangeIds = (change: MembershipChange): string[] => change.add.filter((id) => !isOurId(id))
