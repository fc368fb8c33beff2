import { v7 as uuidv7 } from 'uuid'
import type { EventColumns } from './append-events.ts'

// The parts of a statement that stores roles which the identity provider writes as values of a user.

/** A value of a user that means a role. */
export interface WrittenRole {
  readonly attribute: 'roles' | 'entitlements'
  /** Folded. */
  readonly value: string
  /** Key of the role. */
  readonly role: string
}

/** What a write of a user gives and takes. */
export interface RoleWrites {
  readonly given: readonly WrittenRole[]
  readonly taken: readonly Omit<WrittenRole, 'role'>[]
}

/** The roles that are given as `write_roles` takes them: with the id of each, should it be a new one. */
export const givenRows = (roles: RoleWrites | undefined): readonly object[] =>
  (roles?.given ?? []).map((each) => ({ id: uuidv7(), ...each }))

/**
 * The part `moved_roles`: the roles that users have now and had not, or had and have no more, each with a new version.
 *
 * @param rows a part with `id` for each user whose write took place
 * @param lists where the lists for the function `write_roles` are, with `n` for those rows
 */
export const writtenRolesPart = (
  tenant: string,
  rows: string,
  { given, taken }: { readonly given: string; readonly taken: string },
): string =>
  `moved_roles as materialized (
      select n.id as user_id, m.* from ${rows} n cross join lateral write_roles(${tenant}, n.id, ${given}, ${taken}) m
    )`

/** The events of `moved_roles`. The attribute tells them from those of roles that groups give and take. */
export const writtenRoleEvents: Pick<
  EventColumns,
  'type' | 'resourceType' | 'resourceId' | 'version' | 'changes' | 'from'
> = {
  type: { sql: 'm.event' },
  resourceType: `'Role'`,
  resourceId: 'm.role_id',
  version: 'm.role_version',
  changes: `json_build_object('role', m.role_key, 'users', json_build_array(m.user_id), 'attribute', m.attribute)::text`,
  from: 'moved_roles m',
}
