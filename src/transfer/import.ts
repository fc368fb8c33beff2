import { type Mistake, Refusal } from '../administration/refusal.ts'
import { prepareChange, prepareCreate, replaced, uniqueName } from '../provisioning/prepare.ts'
import { NoSeatLeft, notCreated, writeError } from '../provisioning/refusals.ts'
import { seatsLeft, takesSeat } from '../provisioning/seats.ts'
import { resultOf } from '../provisioning/writes.ts'
import type { MembershipChange } from '../repositories/memberships/membership-change.ts'
import type { ChangedResource, NewResource } from '../repositories/resources/resource-changes.ts'
import { isTakenKey } from '../repositories/sql/constraints.ts'
import { isOurId } from '../repositories/sql/ids.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import { ScimError } from '../scim/errors.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import type { TenantContext } from '../tenancy/tenant.ts'
import type { MemberRecord, ResourceRecord, TransferRecord } from './records.ts'

/** What the import of some records changed. */
export interface Imported {
  readonly created: number
  /** Resources that were there and differed. */
  readonly changed: number
  /** Resources that were there just so. */
  readonly unchanged: number
  /** Memberships that are there now, new or not. */
  readonly members: number
}

/**
 * Imports records, all or none; importing the same ones again changes nothing. A resource keeps its id: it is made, or where
 * the tenant has it already it is brought to what the record says. Nothing is deleted, and memberships are only added.
 *
 * References of registered schemas may lead to what comes later, or has gone where it comes from, so they are not checked.
 *
 * @param inside repositories of a transaction
 * @throws {Refusal} 400 or 409 with the place of each record that cannot be imported; 403 where there would be more active users
 *   than the tenant may have
 */
export async function importRecords(
  inside: Repositories,
  tenant: TenantContext,
  records: readonly TransferRecord[],
): Promise<Imported> {
  const resources = records.flatMap((record, index) => (record.kind === 'resource' ? [{ index, record }] : []))
  const members = records.flatMap((record, index) => (record.kind === 'resource' ? [] : [{ index, record }]))
  const stored = await importResources(inside, tenant, resources)
  await importMembers(inside, members)
  return { ...stored, members: members.length }
}

interface Placed<R extends TransferRecord> {
  readonly index: number
  readonly record: R
}

async function importResources(
  inside: Repositories,
  tenant: TenantContext,
  placed: readonly Placed<ResourceRecord>[],
): Promise<Omit<Imported, 'members'>> {
  const { resources } = inside
  const mistakes: Mistake[] = []
  const wrong = ({ index }: { index: number }, message: string) => mistakes.push({ path: `items.${index}`, message })
  const known = await resources.typesOf(placed.map(({ record }) => String(record.resource.id)))
  const there = await storedRows(resources, tenant, known)
  const made: { index: number; resource: NewResource }[] = []
  const changes: ChangedResource[] = []
  for (const { index, record } of placed) {
    const type = tenant.registry.byName.get(record.type)
    const id = String(record.resource.id)
    const row = there.get(id)
    if (type === undefined) wrong({ index }, `the tenant has no resource type "${record.type.slice(0, 64)}"`)
    else if (!isOurId(id)) wrong({ index }, 'the id must be a lower-case UUID')
    else if (known.has(id) && known.get(id) !== type.name) wrong({ index }, `"${id}" is a ${known.get(id)} here`)
    else {
      try {
        if (row === undefined) made.push({ index, resource: await prepareCreate(tenant, type, id, record.resource) })
        else {
          const change = await prepareChange(tenant, type, row, (now) => replaced(tenant, type, now, record.resource))
          if (change !== undefined) changes.push(change)
        }
      } catch (error) {
        if (!(error instanceof ScimError)) throw error
        wrong({ index }, error.message)
      }
    }
  }
  if (mistakes.length > 0) throw refused(400, mistakes)
  await takeSeats(
    inside,
    tenant,
    made.map(({ resource }) => resource),
    changes,
  )

  const types = tenant.registry.resourceTypes
  const created =
    made.length === 0 ? [] : await resources.create(made.map(({ resource }) => resource)).catch(inUse(types))
  for (const [i, { index, resource }] of made.entries()) {
    const result = created[i]
    if (result?.outcome === 'created') continue
    wrong({ index }, notCreated(result, resource.type, uniqueName(resource.type, resource.stored)).message)
  }
  if (mistakes.length > 0) throw refused(409, mistakes)
  const updated = changes.length === 0 ? new Map() : await resources.update(changes).then(resultOf).catch(inUse(types))
  if (updated.size < changes.length)
    throw new Refusal(409, 'Another writer changed a resource meanwhile; send the records again.')
  return { created: made.length, changed: changes.length, unchanged: placed.length - made.length - changes.length }
}

/** Makes sure of a seat for all that become active. @throws {Refusal} 403 */
async function takeSeats(
  inside: Repositories,
  tenant: TenantContext,
  made: readonly NewResource[],
  changes: readonly ChangedResource[],
): Promise<void> {
  const { maxActiveUsers } = tenant.settings
  if (maxActiveUsers === 'unlimited') return
  const more =
    made.filter(({ type, stored }) => takesSeat(type, stored)).length +
    changes.reduce((sum, { activeDelta }) => sum + activeDelta, 0)
  if (more > 0 && (await seatsLeft(inside, tenant)) < more)
    throw new Refusal(403, new NoSeatLeft(maxActiveUsers).message)
}

/** What is stored of the resources that are there, by id. */
async function storedRows(
  resources: Repositories['resources'],
  { registry }: TenantContext,
  known: ReadonlyMap<string, string>,
) {
  const rows = []
  for (const type of registry.resourceTypes) {
    const ids = [...known].flatMap(([id, name]) => (name === type.name ? [id] : []))
    if (ids.length > 0) rows.push(...(await resources.retrieveAll(type, ids, { groups: false, members: false })))
  }
  return new Map(rows.map((row) => [row.id, row]))
}

/** Whom a group gets. */
interface Additions {
  readonly add: string[]
  readonly displays: Map<string, string>
}

/** All memberships of the records in one statement. */
async function importMembers(inside: Repositories, placed: readonly Placed<MemberRecord>[]): Promise<void> {
  const groups = new Map<string, Additions>()
  for (const { record } of placed) {
    const group: Additions = groups.get(record.group) ?? { add: [], displays: new Map() }
    groups.set(record.group, group)
    group.add.push(record.member)
    if (record.display !== undefined) group.displays.set(record.member, record.display)
  }
  const changes = [...groups].map(([groupId, { add, displays }]): MembershipChange => {
    return { ...{ groupId, expectedVersion: null, clear: false, remove: [] }, add: [...new Set(add)], displays }
  })
  if (changes.length === 0) return
  const written = await inside.memberships.change(changes)
  // The transaction may be the whole request's, which cannot begin again, so it follows roles from here on.
  const roles = written.outcome === 'roles-apply'
  const outcomes = resultOf(roles ? await inside.withRoles().memberships.change(changes) : written)
  const refusals = new Map([...groups.keys()].map((group, i) => [group, outcomes[i]]))
  const mistakes = placed.flatMap(({ index, record: { group, member } }): Mistake[] => {
    const outcome = refusals.get(group)
    if (outcome?.outcome === 'done') return []
    const known = outcome?.outcome === 'unknown-members'
    if (known && !outcome.ids.includes(member)) return []
    const missing = known ? `"${member.slice(0, 64)}", a member of "${group}"` : `group "${group.slice(0, 64)}"`
    return [{ path: `items.${index}`, message: `the tenant has no ${missing}` }]
  })
  if (mistakes.length > 0) throw refused(400, mistakes)
}

const refused = (status: 400 | 409, mistakes: readonly Mistake[]): Refusal =>
  new Refusal(status, 'Records cannot be imported, so none of the request was; see errors.', mistakes.slice(0, 20))

/** A unique value that another resource has, found only by the index. */
const inUse =
  (types: readonly ResourceType[]) =>
  (error: unknown): never => {
    if (error instanceof ScimError) throw new Refusal(409, error.message)
    const found = types.map((type) => writeError(error, type, null)).find((each) => each instanceof ScimError)
    if (!isTakenKey(error) && !(found instanceof ScimError)) throw error
    throw new Refusal(409, 'A record has a value that must be unique and that another resource has; none was imported.')
  }
