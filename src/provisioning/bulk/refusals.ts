import type { ResourceKey } from '../../repositories/resources/stored-form.ts'
import type { Repositories } from '../../repositories/tenant-scope.ts'
import { type BulkOperation, isRefused } from '../../scim/bulk.ts'
import type { ScimError } from '../../scim/errors.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { PreparedChange, PreparedCreate } from '../prepare.ts'
import { referenceErrors } from '../references.ts'
import { isSynchronised, notSynchronised, uniquenessError, unknownEndpoint } from '../refusals.ts'
import { type BulkRun, failedReference, typeOf, unknownReference } from './outcome.ts'

/** Why an operation cannot run: it refers to nothing or to what failed (B-08), or the tenant does not have its endpoint. */
export function cannotRun(run: BulkRun, operation: BulkOperation): ScimError | undefined {
  const { tenant, plan, outcomes } = run
  const type = typeOf(run, operation)
  if (type === undefined) return unknownEndpoint(operation.endpoint)
  if (!isSynchronised(tenant, type)) return notSynchronised(tenant, type)
  for (const bulkId of plan.references[operation.index] ?? []) {
    const at = plan.creates.get(bulkId)
    if (at === undefined) return unknownReference(bulkId)
    const create = plan.operations[at]
    if (!create || isRefused(create) || outcomes.get(at)?.kind === 'failed') return failedReference(bulkId)
  }
  return undefined
}

/**
 * The refusals of those creates whose unique values (RFC 7643 §7) other resources have, which a statement for many does not
 * tell. Where an earlier create of the list wants the same value, `held` gets its index by that of the refused one.
 */
export async function takenValues(
  repositories: Repositories,
  creates: readonly (readonly [index: number, PreparedCreate])[],
  held: Map<number, number>,
): Promise<Map<number, ScimError>> {
  const wanted = creates.map(([index, { type, stored }]) => {
    return { index, type, keys: stored.keys }
  })
  const all = wanted.flatMap(({ type, keys }) => keys.map((key) => ({ type, key })))
  const taken = await repositories.resources.taken(all)
  const unavailable = new Set(all.filter((_, place) => taken.has(place)).map(({ type, key }) => nameOf(type, key)))
  const errors = new Map<number, ScimError>()
  const holders = new Map<string, number>()
  for (const { index, type, keys } of wanted) {
    const names = keys.map((key) => nameOf(type, key))
    const holder = names.map((name) => holders.get(name)).find((found) => found !== undefined)
    if (holder === undefined && !names.some((name) => unavailable.has(name))) {
      for (const name of names) holders.set(name, index)
      continue
    }
    errors.set(index, uniquenessError(type, null))
    if (holder !== undefined) held.set(index, holder)
  }
  return errors
}

/** True when one of the changes sets a unique value that another of them gives up. */
export function handOver(changes: readonly PreparedChange[]): boolean {
  const name = (type: ResourceType, key: string | null) => nameOf(type, { attribute: '', key: key ?? '' })
  const freed = new Set<string>()
  for (const { type, stored, uniqueKeyBefore, keysRemoved } of changes) {
    if (uniqueKeyBefore !== stored.uniqueKey) freed.add(name(type, uniqueKeyBefore))
    for (const key of keysRemoved) freed.add(nameOf(type, key))
  }
  return changes.some(({ type, stored, uniqueKeyBefore, keysAdded }) => {
    if (uniqueKeyBefore !== stored.uniqueKey && freed.has(name(type, stored.uniqueKey))) return true
    return keysAdded.some((key) => freed.has(nameOf(type, key)))
  })
}

/** The refusals of operations that refer to resources that the tenant does not have; see `referenceErrors`. */
export async function wrongReferences(
  repositories: Repositories,
  prepared: readonly (readonly [index: number, PreparedCreate | PreparedChange])[],
  created?: ReadonlyMap<string, string>,
): Promise<Map<number, ScimError>> {
  const lists = prepared.map(([, { references }]) => references)
  const errors = await referenceErrors(repositories, lists, created)
  return new Map(prepared.flatMap(([index], i) => (errors[i] ? [[index, errors[i]]] : [])))
}

const nameOf = (type: ResourceType, { attribute, key }: ResourceKey): string =>
  JSON.stringify([type.name, attribute, key])
