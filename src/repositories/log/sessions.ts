import type { Database } from '../../db/database.ts'
import type { JsonObject } from '../../scim/resource.ts'
import type { RepositoryScope } from '../scope.ts'
import { appendEvents } from '../sql/append-events.ts'
import { template } from '../sql/parameters.ts'

/** Tells the log about the sessions of users, which the application has and the gateway does not. */
export function sessionsOf(db: Database, { tenantId, requestId, actor }: RepositoryScope) {
  return {
    /** Appends that all sessions of the user with this id end; false where there is no such user any more. */
    async revoke(id: string, changes: JsonObject): Promise<boolean> {
      const named = { tenant: tenantId, id, requestId, actor, changes: JSON.stringify(changes) }
      const rows = await db.run(revocation.text, revocation.values(named), { name: 'events-append' })
      return rows.length > 0
    },
  }
}

/** The lock keeps changes of the user out until the commit, so the log has the event behind the version that it names. */
const revocation = template<'tenant' | 'id' | 'requestId' | 'actor' | 'changes'>((place) => {
  const tenant = place('tenant', 'uuid')
  return `with found as materialized (
       select r.id, r.version from resources r
       where r.tenant_id = ${tenant} and r.id = ${place('id', 'uuid')} and r.resource_type = 'User' for share
     ),
     ${appendEvents({
       tenant,
       type: 'user.sessions_revoked',
       resourceType: `'User'`,
       resourceId: 'f.id',
       version: 'f.version',
       requestId: place('requestId', 'text'),
       actor: place('actor', 'text'),
       changes: place('changes', 'text'),
       from: 'found f',
     })}
     select f.id from found f`
})
