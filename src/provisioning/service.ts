import { eventNoun } from '../events/types.ts'
import type { ResourceRow, Wanted } from '../repositories/resources/rows.ts'
import { isReferenced, mayRetry } from '../repositories/sql/constraints.ts'
import { ATTEMPTS } from '../repositories/sql/retry-on-conflict.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import { ScimError } from '../scim/errors.ts'
import { activeAlone } from '../scim/patch/active.ts'
import { type MembershipStep, splitMembership } from '../scim/patch/members.ts'
import type { PatchOperation } from '../scim/patch/parse.ts'
import type { JsonValue, Resource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import { matches, type Precondition } from '../scim/version.ts'
import type { TenantContext } from '../tenancy/tenant.ts'
import { keepDays, keptIds, NameTaken, samePerson, takeKept, takesExisting } from './kept.ts'
import { type ChangedGroup, changeMembers } from './membership.ts'
import { operationsUnderPasswordPolicy } from './password.ts'
import { hasMemberRows, membersOf, patched, prepareChange, prepareCreate, replaced, uniqueName } from './prepare.ts'
import { checkReferences } from './references.ts'
import { missing, notCreated, staleVersion, writeError } from './refusals.ts'
import { hasMaximum, takeSeat, takesSeat, tellOfSeats } from './seats.ts'
import { resultOf, write } from './writes.ts'

/** What a write leaves: the row to be shown, or the version alone of a group whose members changed, which may be large. */
export type Written =
  | { readonly kind: 'row'; readonly row: ResourceRow }
  | ({ readonly kind: 'group'; readonly id: string } & ChangedGroup)

/** What a create leaves; `made` is false for a user who was there already. */
export interface Made {
  readonly made: boolean
  readonly row: ResourceRow
}

const EVERYTHING: Wanted = { groups: true, members: true }
const NOTHING: Wanted = { groups: false, members: false }

/**
 * The provisioning service of one tenant, in the protocol's verbs (RFC 7644 §3.3–3.6). The resource type is an argument, so
 * one function serves users, groups and registered types. A change and its events are one statement or one transaction.
 */
export function provisioningService(repositories: Repositories, tenant: TenantContext, newId: () => string) {
  return {
    /**
     * Creates a resource; or, by the tenant's policy, brings the user who has the `userName` already to what the body says.
     *
     * @throws {ScimError} 400, 403 without a seat for an active user, or 409 uniqueness
     */
    async create(type: ResourceType, body: JsonValue): Promise<Made> {
      const { members, references, ...resource } = await prepareCreate(tenant, type, newId(), body)
      await checkReferences(repositories, references)
      const name = () => uniqueName(type, resource.stored)
      const seated = takesSeat(type, resource.stored) && hasMaximum(tenant)
      const keptId = (await keptIds(repositories, tenant, [resource])).get(0)
      const make = async (inside: Repositories): Promise<ResourceRow> => {
        if (seated) await takeSeat(inside, tenant)
        const kept = keptId === undefined ? undefined : (await takeKept(inside, [keptId])).get(keptId)
        const back = keptId === undefined || kept === undefined ? {} : { id: keptId, revived: kept }
        const [created] = await inside.resources.create([{ ...resource, ...back }])
        if (created?.outcome === 'taken' && takesExisting(tenant, type)) throw new NameTaken()
        if (created?.outcome !== 'created') throw notCreated(created, type, name())
        return created.row
      }
      try {
        const alone = members.add.length === 0
        if (alone && !seated && keptId === undefined) return { made: true, row: await write(repositories, make) }
        const row = await write(repositories, (each) =>
          each.transaction(async (inside) => {
            const row = await make(inside)
            if (alone) return row
            const step = { kind: 'change', clear: false, remove: [], ...members } as const
            await changeMembers(inside, tenant, [step], row.id, null, true)
            return (await inside.resources.retrieve(type, row.id, EVERYTHING)) ?? missing(type, row.id)
          }),
        )
        return { made: true, row }
      } catch (error) {
        if (error instanceof NameTaken) {
          const id = await samePerson(repositories, tenant, type, resource.stored)
          const next = (stored: Resource) => replaced(tenant, type, stored, body)
          return { made: false, row: (await change(repositories, type, id, undefined, next)).row }
        }
        await tellOfSeats(repositories, error)
        throw writeError(error, type, name())
      }
    },

    /** @throws {ScimError} 404, also for a resource of another type or tenant */
    async retrieve(type: ResourceType, id: string, wanted: Wanted = EVERYTHING): Promise<ResourceRow> {
      return (await repositories.resources.retrieve(type, id, wanted)) ?? missing(type, id)
    },

    /** Replaces the attributes of a resource (PUT). @throws {ScimError} 400, 403, 404, 409, 412 */
    async replace(type: ResourceType, id: string, body: JsonValue, precondition?: Precondition): Promise<ResourceRow> {
      if (!hasMemberRows(type)) {
        const next = (stored: Resource) => replaced(tenant, type, stored, body)
        return (await change(repositories, type, id, precondition, next)).row
      }
      return write(repositories, (each) =>
        each.transaction(async (inside) => {
          let members: ReturnType<typeof membersOf> = { add: [] }
          const next = (stored: Resource) => {
            const whole = replaced(tenant, type, stored, body)
            members = membersOf(whole)
            return whole
          }
          const { row, changed } = await change(inside, type, id, precondition, next, NOTHING)
          const expected = precondition ? row.version : null
          const step = { kind: 'change', clear: true, remove: [], ...members } as const
          await changeMembers(inside, tenant, [step], id, expected, changed)
          return (await inside.resources.retrieve(type, id, EVERYTHING)) ?? missing(type, id)
        }),
      )
    },

    /**
     * Applies PATCH operations, all or none. A change of nothing but a group's members is one statement that reads no member,
     * and gives only the version. @throws {ScimError} 400, 403, 404, 409, 412
     */
    async modify(
      type: ResourceType,
      id: string,
      operations: readonly PatchOperation[],
      precondition?: Precondition,
    ): Promise<Written> {
      const allowed = operationsUnderPasswordPolicy(type, operations, tenant)
      const active = type.name === 'User' && !precondition ? activeAlone(type, allowed, tenant.deviations) : undefined
      // Only a user that was read tells whether one more becomes active, and so needs a seat.
      if (active === false || (active === true && !hasMaximum(tenant))) {
        const row = await repositories.activation.setActive(type, id, active, EVERYTHING)
        return { kind: 'row', row: row ?? missing(type, id) }
      }
      const { operations: rest, membership } = hasMemberRows(type)
        ? splitMembership(type, allowed, tenant.deviations)
        : { operations: allowed, membership: [] as readonly MembershipStep[] }
      const next = (stored: Resource) => patched(tenant, type, stored, rest)
      if (membership.length === 0) {
        return { kind: 'row', row: (await change(repositories, type, id, precondition, next)).row }
      }
      if (rest.length === 0 && membership.length === 1) {
        const expected = await expectedVersion(type, id, precondition)
        const group = await write(repositories, (each) => changeMembers(each, tenant, membership, id, expected))
        return { kind: 'group', id, ...group }
      }
      return write(repositories, (each) =>
        each.transaction(async (inside) => {
          const { row, changed } = await change(inside, type, id, precondition, next, NOTHING)
          const expected = precondition ? row.version : null
          return { kind: 'group', id, ...(await changeMembers(inside, tenant, membership, id, expected, changed)) }
        }),
      )
    },

    /** @throws {ScimError} 404, 412 */
    async delete(type: ResourceType, id: string, precondition?: Precondition): Promise<void> {
      const targets = [{ id, expectedVersion: await expectedVersion(type, id, precondition) }]
      const removal = { type, targets, eventNoun: eventNoun(type.name), keepDays: keepDays(tenant, type) }
      const removed = await write(
        repositories,
        async (each) => resultOf(await each.resources.remove(removal)),
        (error) => mayRetry(error) || isReferenced(error),
      )
      const outcome = removed.get(id) ?? missing(type, id)
      if (!outcome.removed) throw staleVersion()
    },
  }

  /** Reads the resource, works out its next state and stores it. Where another writer was faster, it begins again. */
  async function change(
    inside: Repositories,
    type: ResourceType,
    id: string,
    precondition: Precondition | undefined,
    next: (stored: Resource) => Resource,
    wanted: Wanted = EVERYTHING,
  ): Promise<{ row: ResourceRow; changed: boolean }> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) inside.retried()
      const row = (await inside.resources.retrieve(type, id, wanted)) ?? missing(type, id)
      if (precondition && !matches(precondition, row.version)) throw staleVersion()
      const changed = await prepareChange(tenant, type, row, next)
      if (changed === undefined) return { row, changed: false }
      await checkReferences(inside, changed.references)
      try {
        const update = async (within: Repositories) => resultOf(await within.resources.update([changed]))
        const seated = changed.activeDelta > 0 && hasMaximum(tenant)
        const onSeat = async (within: Repositories) => {
          await takeSeat(within, tenant)
          return update(within)
        }
        const done = await (seated ? inside.transaction(onSeat) : update(inside))
        const updated = done.get(row.id)
        const { document, active } = changed.stored
        if (updated) return { row: { ...row, ...updated, document, active }, changed: true }
      } catch (error) {
        await tellOfSeats(inside, error)
        throw writeError(error, type, uniqueName(type, changed.stored))
      }
    }
    throw new ScimError(
      503,
      undefined,
      'changed-meanwhile',
      'Too many writers changed this resource at the same time; try again.',
    )
  }

  /** The version that a conditional write expects when it reads nothing itself; null for any. */
  async function expectedVersion(type: ResourceType, id: string, precondition: Precondition | undefined) {
    if (precondition === undefined) return null
    const row = (await repositories.resources.retrieve(type, id, NOTHING)) ?? missing(type, id)
    if (!matches(precondition, row.version)) throw staleVersion()
    return precondition.kind === 'any' ? null : row.version
  }
}
