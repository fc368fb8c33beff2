import type { Administration } from '../../src/administration/change.ts'
import { createApiKey } from '../../src/administration/keys/api-keys.ts'
import { createTenant } from '../../src/administration/tenants.ts'
import { CONFIGURED_ADMIN, type EnvironmentPlace, type Permission } from '../../src/auth/principal.ts'
import type { Database } from '../../src/db/database.ts'
import type { TenantId } from '../../src/place-ids.ts'
import { recorded } from '../../src/repositories/control/control-revision.ts'
import type { TenantSettings } from '../../src/tenancy/settings.ts'

/** The operator's verbs on a database, asked for by a test; `control` is told of changes. */
export function administrationOn(database: Database, control?: { changed(): void }): Administration {
  const author = { actor: 'test', address: null, requestId: null }
  return { database, changed: () => control?.changed(), author }
}

/**
 * Makes a tenant with a key of its own. Its log is empty, so that tests of what its people do find nothing else in it: that
 * both were made is taken out before anybody could read it.
 */
export async function tenantWithKey(
  administration: Administration,
  place: EnvironmentPlace,
  key: string,
  { settings, permissions }: { settings?: TenantSettings | undefined; permissions?: readonly Permission[] },
): Promise<{ readonly id: TenantId; readonly key: string }> {
  const made = await administration.database.transaction(async (tx) => {
    const made = await recorded(tx, administration.author, async (record) => {
      const inside = { ...administration, database: tx, record }
      const { id } = await createTenant(inside, place, { key, settings })
      const { projectId, environmentId } = place
      const scope = { kind: 'tenant', projectId, environmentId, tenantId: id } as const
      const { key: secret } = await createApiKey(inside, scope, { name: 'test', permissions }, CONFIGURED_ADMIN)
      return { id, key: secret }
    })
    for (const table of ['waiting_events', 'events'])
      await tx.run(`delete from ${table} where tenant_id = $1::uuid`, [made.id])
    return made
  })
  administration.changed()
  return made
}
