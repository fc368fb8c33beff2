import { isDeepStrictEqual } from 'node:util'
import type { Database, Reader } from '../../db/database.ts'
import { attributesOf, mapperFor } from '../../mapping/mapped.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { type TenantRow, tenantsOf } from '../../repositories/control/tenants.ts'
import { type StoredResource, snapshotOf } from '../../repositories/resources/snapshot.ts'
import { FIRST_ID } from '../../repositories/sql/ids.ts'
import type { Resource } from '../../scim/resource.ts'
import type { SchemaRegistry } from '../../scim/schema/resource-type.ts'
import type { Mapped, MappedValue } from '../../tenancy/mapping/compile.ts'
import type { Mapping } from '../../tenancy/mapping/form.ts'
import { effectiveSettings } from '../../tenancy/settings.ts'
import type { Administration } from '../change.ts'
import { inheritingTenants } from '../role-rules.ts'
import { mappingState, refuseChanged } from '../states/state-tags.ts'
import { type MappedPlace, refuseBadMapping, registryAt } from './in-force.ts'

// What a mapping would give, before it is saved. It reads and writes nothing, and looks at so many users for so long.

/** Resources that one preview reads. On the embedded engine all other statements wait for each page. */
const MOST_RESOURCES = { postgres: 20_000, pglite: 4_000 } as const
const FOR_MS = 4_000

/** What a value can be. */
export const VALUE_KINDS = ['text', 'number', 'boolean', 'list', 'none'] as const
export type ValueKind = (typeof VALUE_KINDS)[number]

/** What one name of a mapping gives. */
export interface FieldPreview {
  readonly name: string
  /** How many of the users that were looked at have a value of each kind. */
  readonly kinds: Readonly<Record<ValueKind, number>>
  /** For how many of them it is another value than now. */
  readonly changed: number
}

/** A user for whom something changes. */
export interface UserPreview {
  readonly tenant: Pick<TenantRow, 'id' | 'key'>
  readonly id: string
  /** What the user is called. */
  readonly name: string | null
  /** Null where there is no mapping. */
  readonly before: Mapped | null
  readonly after: Mapped | null
}

/** Where a preview goes on: behind this user. */
export interface PreviewPosition {
  readonly tenantId: TenantId
  readonly userId: string
}

export interface MappingPreview {
  /** How many users were looked at. */
  readonly looked: number
  /** Whether these are all of them, from where the preview began. */
  readonly complete: boolean
  readonly fields: readonly FieldPreview[]
  readonly people: readonly UserPreview[]
  readonly next: PreviewPosition | undefined
}

/**
 * What a mapping would give the users of a tenant, or of all tenants of an environment that have none of their own: how many values of
 * which kind, and a page of those for whom something changes.
 *
 * @param mapping null for what is inherited
 * @throws {Refusal} 400 as the change would, and 412 where the mapping is not as the caller has read it
 */
export async function previewMapping(
  { database, expected }: Pick<Administration, 'database' | 'expected'>,
  { environment, tenant }: MappedPlace,
  mapping: Mapping | null,
  { after: from, limit }: { readonly after: PreviewPosition | undefined; readonly limit: number },
  reader: Reader,
): Promise<MappingPreview> {
  refuseChanged({ expected }, mappingState(environment.settings, tenant?.settings))
  const place = { environmentId: environment.id, tenantId: tenant?.id ?? null }
  refuseBadMapping(await registryAt(database, place, environment.settings, tenant?.settings), mapping, 'mapping')
  const { mapping: before } = effectiveSettings(environment.settings, tenant?.settings)
  // For an environment null takes it back to the default, and for a tenant to the environment's.
  const after = mapping ?? effectiveSettings(tenant === undefined ? {} : environment.settings).mapping
  const fields = Object.keys(after).map(newField)
  const people: UserPreview[] = []
  const [until, most] = [performance.now() + FOR_MS, MOST_RESOURCES[database.engine]]
  let [looked, read] = [0, 0]
  let next: PreviewPosition | undefined
  const tenants = tenant === undefined ? tenantsFrom(database, environment.id, from?.tenantId) : [tenant]
  for await (const one of tenants) {
    const { id: tenantId, key } = one
    const registry = await registryAt(database, { ...place, tenantId }, environment.settings, one.settings)
    const stored = snapshotOf(database, tenantId, reader)
    for (let behind = tenantId === from?.tenantId ? from.userId : FIRST_ID; ; ) {
      if (people.length < limit) next = { tenantId, userId: behind }
      if (read >= most || performance.now() > until) return { looked, complete: false, fields, people, next }
      const page = await stored.resources(behind)
      const users = page.filter(({ type }) => type === 'User')
      for (const user of await mappedBoth(database, tenantId, registry, users, { before, after })) {
        for (const field of fields) count(field, user)
        if (people.length < limit && !isDeepStrictEqual(user.before, user.after)) {
          people.push({ ...user, tenant: { id: tenantId, key } })
          next = { tenantId, userId: user.id }
        }
      }
      looked += users.length
      read += page.length
      const last = page.at(-1)?.id
      if (last === undefined) break
      behind = last
    }
  }
  return { looked, complete: true, fields, people, next: people.length < limit ? undefined : next }
}

/** Tenants without a mapping of their own, from the one with this id on. */
async function* tenantsFrom(
  db: Database,
  environmentId: EnvironmentId,
  from: TenantId | undefined,
): AsyncGenerator<TenantRow> {
  const first = from && (await tenantsOf(db, environmentId).find(from))
  if (first !== undefined && first.settings.mapping === undefined) yield first
  yield* inheritingTenants(db, environmentId, 'mapping', from)
}

/** Users by a mapping and by another. */
async function mappedBoth(
  db: Database,
  id: TenantId,
  registry: SchemaRegistry,
  users: readonly StoredResource[],
  { before, after }: { readonly before: Mapping; readonly after: Mapping },
): Promise<Omit<UserPreview, 'tenant'>[]> {
  const ids = users.map((user) => user.id)
  const was = await mapperFor(db, { id, registry, mapping: before }, ids)
  const becomes = await mapperFor(db, { id, registry, mapping: after }, ids)
  return users.map((user) => {
    const attributes = attributesOf(user, registry)
    const mapped = { before: was?.(user.id, attributes) ?? null, after: becomes?.(user.id, attributes) ?? null }
    return { id: user.id, name: nameIn(attributes), ...mapped }
  })
}

const nameIn = ({ displayName, userName }: Resource): string | null =>
  [displayName, userName].find((name) => typeof name === 'string' && name !== '')?.toString() ?? null

type Counted = FieldPreview & { readonly kinds: Record<ValueKind, number>; changed: number }

const newField = (name: string): Counted => ({
  ...{ name, changed: 0 },
  kinds: { text: 0, number: 0, boolean: 0, list: 0, none: 0 },
})

function count(field: Counted, { before, after }: Pick<UserPreview, 'before' | 'after'>): void {
  const [was, becomes] = [before?.[field.name] ?? null, after?.[field.name] ?? null]
  field.kinds[kindOf(becomes)]++
  if (!isDeepStrictEqual(was, becomes)) field.changed++
}

function kindOf(value: MappedValue): ValueKind {
  if (value === null) return 'none'
  if (typeof value === 'string') return 'text'
  if (typeof value === 'number') return 'number'
  return typeof value === 'boolean' ? 'boolean' : 'list'
}
