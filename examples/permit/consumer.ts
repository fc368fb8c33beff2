import { type Change, consumeOutbox } from 'rollcall/mirror'

/** The environment of Permit.io that is kept up to date. */
export interface Permit {
  /** `https://api.permit.io`. */
  readonly apiUrl: string
  readonly project: string
  readonly environment: string
  /** An API key of that environment. */
  readonly token: string
}

/**
 * Keeps tenants, users and role assignments of Permit.io as the directory has them: users by their ids, roles by their keys, in the
 * tenant of the customer. Make the roles in Permit first.
 */
export const keepAssignments = (database: string, permit: Permit, signal: AbortSignal): Promise<void> =>
  consumeOutbox({ database, handle: (changes) => assign(permit, changes) }, signal)

/** Makes the calls that some changes ask for, in their order. Changes may come again: what is there, and what is gone, is no error. */
export async function assign(
  { apiUrl, project, environment, token }: Permit,
  changes: readonly Change[],
): Promise<void> {
  for (const change of changes) {
    const call = callFor(change)
    if (call === undefined) continue
    const response = await fetch(`${apiUrl}/v2/facts/${project}/${environment}${call.path}`, {
      method: call.method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(call.body && { body: JSON.stringify(call.body) }),
    })
    const isDone = response.ok || response.status === (call.method === 'DELETE' ? 404 : 409)
    if (!isDone)
      throw new Error(`Permit answered ${response.status} to ${call.method} ${call.path}: ${await response.text()}`)
  }
}

interface Call {
  readonly method: 'PUT' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: object
}

function callFor(change: Change): Call | undefined {
  const { tenant } = change
  switch (change.kind) {
    case 'tenant.added':
      return { method: 'POST', path: '/tenants', body: { key: tenant, name: change.name ?? tenant } }
    case 'tenant.removed':
      return { method: 'DELETE', path: `/tenants/${tenant}` }
    case 'user.added':
    case 'user.changed': {
      const { id, email, userName, attributes } = change.user
      const name = (attributes.name ?? {}) as { readonly givenName?: string; readonly familyName?: string }
      const names = { first_name: name.givenName, last_name: name.familyName }
      return { method: 'PUT', path: `/users/${id}`, body: { key: id, email: email ?? userName, ...names } }
    }
    case 'user.removed':
      return { method: 'DELETE', path: `/users/${change.user.id}` }
    case 'role.added':
      return { method: 'POST', path: '/role_assignments', body: { user: change.user, role: change.role, tenant } }
    case 'role.removed':
      return { method: 'DELETE', path: '/role_assignments', body: { user: change.user, role: change.role, tenant } }
    default:
      return undefined
  }
}
