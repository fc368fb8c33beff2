import type { RollcallEvent } from 'rollcall/receiver'

/** A relationship of OpenFGA. */
export interface Tuple {
  readonly user: string
  readonly relation: string
  readonly object: string
}

/** What `client.write(…)` of `@openfga/sdk` takes. Writing a tuple that is there, or deleting one that is not, is an error there. */
export interface TupleChange {
  readonly writes: readonly Tuple[]
  readonly deletes: readonly Tuple[]
}

const NOTHING: TupleChange = { writes: [], deletes: [] }

/**
 * The tuples that an event adds and takes away: members of groups and of roles, in a model with `type group` and `type role`, each
 * with `define member: [user]`. Ids lead with the tenant's, so that two customers never meet in one store.
 *
 * A user who is deleted leaves the groups by events of the gateway's own. A deactivated user keeps the tuples: whether somebody
 * is let in is for the sign-in check.
 */
export function tuplesOf(event: RollcallEvent): TupleChange {
  const named = (type: string, id: string) => `${type}:${event.tenant}/${id}`
  const members = (users: readonly string[], object: string): readonly Tuple[] =>
    users.map((id) => ({ user: named('user', id), relation: 'member', object }))
  switch (event.type) {
    case 'group.member_added':
      return { ...NOTHING, writes: members(event.changes.members, named('group', event.resource.id)) }
    case 'group.member_removed':
      return { ...NOTHING, deletes: members(event.changes.members, named('group', event.resource.id)) }
    case 'role.assigned':
      return { ...NOTHING, writes: members(event.changes.users, named('role', event.changes.role)) }
    case 'role.unassigned':
      return { ...NOTHING, deletes: members(event.changes.users, named('role', event.changes.role)) }
    default:
      return NOTHING
  }
}
