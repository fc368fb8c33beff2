import { uniquenessError } from '../repositories/sql-errors.ts'
import type { ResourceKey } from '../repositories/stored-form.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import type { ScimError } from '../scim/errors.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import type { PreparedChange, PreparedCreate } from './prepare.ts'
import { referenceErrors } from './references.ts'

/** What a statement for many creates could not tell: the refusals of those whose unique values (RFC 7643 §7) are taken. */
export async function takenValues(
  repositories: Repositories,
  creates: readonly (readonly [index: number, PreparedCreate])[],
): Promise<Map<number, ScimError>> {
  const wanted = creates.map(([index, { type, stored }]) => {
    return { index, type, keys: stored.keys.filter((key) => key.unique) }
  })
  const all = wanted.flatMap(({ type, keys }) => keys.map((key) => ({ type, key })))
  const taken = await repositories.resources.taken(all)
  const gone = new Set(all.filter((_, place) => taken.has(place)).map(({ type, key }) => nameOf(type, key)))
  const errors = new Map<number, ScimError>()
  for (const { index, type, keys } of wanted) {
    const names = keys.map((key) => nameOf(type, key))
    if (names.some((name) => gone.has(name))) errors.set(index, uniquenessError(type, null))
    // What is left to the first of several is taken for those behind it.
    else for (const name of names) gone.add(name)
  }
  return errors
}

/** The refusals of operations that refer to what is not there; see `referenceErrors`. */
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
