import { v7 as uuidv7 } from 'uuid'
import type { ControlStore } from '../context/control-cache.ts'
import type { Database } from '../db/database.ts'
import { findApiKey, recordApiKeyUse } from './api-keys.ts'
import { changeControl, currentRevision } from './control-revision.ts'
import { environmentsOf } from './environments.ts'
import { projectsIn } from './projects.ts'
import { tenantsOf } from './tenants.ts'

/** The look-ups that come before a tenant is known, for `ControlPlane` to remember. */
export function controlStore(database: Database): ControlStore {
  return {
    shared: database.engine === 'postgres',
    revision: () => currentRevision(database),

    async apiKey(id) {
      const row = await findApiKey(database, id)
      if (row === undefined) return undefined
      const { scope, hash, permissions, expiresAt, revokedAt } = row
      return {
        principal: { keyId: id, scope, permissions: new Set(permissions), expiresAt: expiresAt?.getTime() },
        hash,
        revoked: revokedAt !== null,
      }
    },

    project: (name) => projectsIn(database).find(name),
    environment: (projectId, name) => environmentsOf(database, projectId).find(name),
    tenant: (environmentId, name) => tenantsOf(database, environmentId).find(name),

    createTenant: (environmentId, key) =>
      changeControl(database, async (tx) => {
        const tenants = tenantsOf(tx, environmentId)
        const made = await tenants.insert({ id: uuidv7(), key, name: key, settings: {} })
        const tenant = made ?? (await tenants.find(key))
        if (tenant === undefined) throw new Error('a tenant that could not be made is not there either')
        return tenant
      }),

    recordKeyUse: (uses) => recordApiKeyUse(database, uses),
  }
}
