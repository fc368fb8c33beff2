import type { Database } from '../db/database.ts'
import { groupNamesOf } from '../repositories/memberships/group-names.ts'
import type { StoredResource } from '../repositories/resources/snapshot.ts'
import { resourceFrom } from '../repositories/resources/stored-form.ts'
import type { Resource } from '../scim/resource.ts'
import type { SchemaRegistry } from '../scim/schema/resource-type.ts'
import { withoutSecrets } from '../scim/schema/secrets.ts'
import { givesAnything, type Mapped, type MappingPlan, mappingPlan } from '../tenancy/mapping/compile.ts'
import type { Mapping } from '../tenancy/mapping/form.ts'
import type { TenantContext } from '../tenancy/tenant.ts'

/** What a tenant's users are mapped by. */
export interface MappingTenant extends Pick<TenantContext, 'id'> {
  readonly registry: SchemaRegistry
  readonly mapping: Mapping
}

/** What the application reads of a user, by the attributes that are shown of it. */
export type Mapper = (id: string, attributes: Resource) => Mapped

/**
 * What is mapped of some users of a tenant. Names of their groups are read where the mapping looks at them; nothing else is. Undefined
 * where the tenant has no mapping: no statement is sent then.
 */
export async function mapperFor(
  db: Database,
  { id: tenantId, registry, mapping }: MappingTenant,
  userIds: readonly string[],
): Promise<Mapper | undefined> {
  const plan = planFor(registry, mapping)
  if (plan === undefined) return undefined
  const groups = plan.usesGroups ? await groupNamesOf(db, tenantId, userIds) : NO_GROUPS
  return (id, attributes) => plan.of({ attributes, groups: groups.get(id) ?? [] })
}

const NO_GROUPS: ReadonlyMap<string, readonly string[]> = new Map()

/** The plan of a tenant's mapping; undefined where it gives nothing. */
export function planFor(registry: SchemaRegistry, mapping: Mapping): MappingPlan | undefined {
  const users = registry.byName.get('User')
  return users !== undefined && givesAnything(mapping) ? mappingPlan(mapping, users) : undefined
}

/** What a mapping sees of a stored resource: its attributes with `active`, without what is never returned. */
export function attributesOf({ id, type, active, document }: StoredResource, registry: SchemaRegistry): Resource {
  const known = registry.byName.get(type)
  return known === undefined ? {} : withoutSecrets(known, resourceFrom({ id, active, document }))
}
