import type { ControlStore } from '../../context/control-store.ts'
import type { Database } from '../../db/database.ts'
import { environments, tenants } from '../../db/schema.ts'
import { secretBox } from '../../signing/secret-box.ts'
import { hasId } from '../sql/place-ids.ts'
import { findApiKey } from './api-keys.ts'
import { THE_GATEWAY } from './audit.ts'
import { cataloguesOf } from './catalogues.ts'
import { controlAnswers } from './control-answers.ts'
import { changeControl } from './control-revision.ts'
import { environmentsOf } from './environments.ts'
import { instanceSecret } from './instance-secrets.ts'
import { endOnUse, recordSecretUse } from './keys/api-key-secrets.ts'
import { schemaDefinitionsOf } from './schema-definitions.ts'
import { signingKeyStore } from './signing-keys.ts'
import { formerAddressesOf, isFormerAddress, tenantLedFrom } from './tenant-moves.ts'
import { tenantsOf } from './tenants.ts'
import { takeAssertion } from './used-assertions.ts'

/**
 * The look-ups that run before a tenant is known; `ControlPlane` keeps their results.
 *
 * @param secretsKey seals signing keys, from the configuration; without it, a secret that the database keeps
 */
export function controlStore(database: Database, secretsKey?: string | undefined): ControlStore {
  return {
    signingKeys: signingKeyStore(database, 'ES256'),
    rsaSigningKeys: signingKeyStore(database, 'RS256'),
    secretBox: secretBox(async () => secretsKey ?? instanceSecret(database, 'secrets')),
    shared: database.engine === 'postgres',
    ask: controlAnswers(database),

    async isPlace(kind, id) {
      const table = kind === 'environment' ? environments : tenants
      return (await database.orm.select({ id: table.id }).from(table).where(hasId(table.id, id))).length > 0
    },

    async createTenant({ projectId, environmentId }, key, actor) {
      // Checked before the change too: a client that misspells an endpoint must not cause a change with every request.
      if (await schemaDefinitionsOf(database, environmentId).hasEndpoint(key)) return undefined
      return changeControl(database, { ...THE_GATEWAY, actor }, async (tx, record) => {
        const [tenants, own] = [tenantsOf(tx, environmentId), schemaDefinitionsOf(tx, environmentId)]
        // The lock keeps others from registering a resource type with this endpoint meanwhile.
        if ((await environmentsOf(tx, projectId).find(environmentId, 'share')) === undefined) return undefined
        if ((await own.hasEndpoint(key)) || (await isFormerAddress(tx, environmentId, key))) return undefined
        const made = await tenants.insert({ key, name: key, settings: {} })
        const tenant = made ?? (await tenants.find(key))
        if (tenant === undefined) throw new Error('a tenant was not made, and no other has its key')
        if (made) {
          const place = { kind: 'tenant' as const, projectId, environmentId, tenantId: made.id }
          const { key, name, settings, paused } = made
          const after = { key, name, settings, paused }
          record({ action: 'tenant.created', place, target: { id: made.id, name: key }, before: null, after })
        }
        return { ...tenant, definitions: await own.definitions(tenant.id) }
      })
    },

    formerAddresses: (tenantId) => formerAddressesOf(database, tenantId).list(),

    ledFrom: (environmentId, tenant) => tenantLedFrom(database, environmentId, tenant),

    catalogueEntries: (environmentId, tenantId) => cataloguesOf(database, environmentId).entries(tenantId),

    takeAssertion: (keyId, name, expiresAt) => takeAssertion(database, keyId, name, expiresAt),

    recordKeyUse: (uses) => recordSecretUse(database, uses),

    async endRotation(id, version) {
      await changeControl(database, { ...THE_GATEWAY, actor: id }, async (tx, record) => {
        const key = await findApiKey(tx, id, 'no key update')
        if (key === undefined || !(await endOnUse(tx, id, version))) return
        const what = { before: { oldSecret: 'ends on use of the new one' }, after: { oldSecret: null } }
        record({ action: 'api_key.rotation_ended', place: key.scope, target: { id, name: key.name }, ...what })
      })
    },
  }
}
