/**
 * What a write gives that roles may depend on: its result, or the reason why it did nothing at all.
 *
 * `roles-apply` says that groups give roles in the tenant, though the scope of the repositories said that none do. Rules were
 * set a moment ago, or what ended rules gave has not been removed yet. The caller repeats its work with `withRoles`.
 * Of a statement that follows roles by itself it says that more is at stake than one user; `roles/giving-roles` deals with that.
 */
export type WriteResult<T> =
  | { readonly outcome: 'done'; readonly result: T }
  | { readonly outcome: 'roles-apply' }
  | { readonly outcome: 'shared-role'; readonly shared: SharedRole }

/** Two groups whose names make the same role, in a tenant where every group is a role. */
export interface SharedRole {
  readonly role: string
  /** The group that was refused; `label` is its displayName. */
  readonly group: { readonly groupId: string; readonly label: string | null }
  /** The displayName of the group that gives the role already. */
  readonly holder: string
}
