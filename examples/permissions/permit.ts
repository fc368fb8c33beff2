import type { RollcallEvent } from 'rollcall/receiver'

/** A call of the API of Permit.io, below `https://api.permit.io`. */
export interface PermitCall {
  readonly method: 'PUT' | 'POST' | 'DELETE'
  readonly path: string
  readonly body: Readonly<Record<string, unknown>> | undefined
}

/**
 * The calls that an event asks for: users by their id, and roles by their key, in the tenant of the customer. The tenant's id is the
 * tenant's key there.
 *
 * @param base `/v2/facts/{project}/{environment}` of Permit
 */
export function permitCallsOf(event: RollcallEvent, base: string): readonly PermitCall[] {
  const assignments = (method: 'POST' | 'DELETE', users: readonly string[], role: string): PermitCall[] =>
    users.map((user) => ({ method, path: `${base}/role_assignments`, body: { user, role, tenant: event.tenant } }))
  switch (event.type) {
    case 'user.created': {
      const { userName, name, emails } = event.changes.after
      const email = (emails?.find(({ primary }) => primary) ?? emails?.[0])?.value ?? userName
      const names = { first_name: name?.givenName, last_name: name?.familyName }
      return [
        {
          method: 'PUT',
          path: `${base}/users/${event.resource.id}`,
          body: { key: event.resource.id, email, ...names },
        },
      ]
    }
    case 'user.deleted':
      return [{ method: 'DELETE', path: `${base}/users/${event.resource.id}`, body: undefined }]
    case 'role.assigned':
      return assignments('POST', event.changes.users, event.changes.role)
    case 'role.unassigned':
      return assignments('DELETE', event.changes.users, event.changes.role)
    default:
      return []
  }
}
