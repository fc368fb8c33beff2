import type { JsonText, ResourceRow, Wanted } from '../repositories/resources/rows.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import type { Filter } from '../scim/filter/ast.ts'
import { bindFilter } from '../scim/filter/bind.ts'
import { parseAttributePath } from '../scim/filter/parse.ts'
import type { ResourceType, SchemaRegistry } from '../scim/schema/resource-type.ts'

/** The attributes by which the application finds people and groups, by their names in the admin API. */
const ATTRIBUTES = {
  externalId: 'externalId',
  userName: 'userName',
  email: 'emails.value',
  displayName: 'displayName',
} as const

/** Values that a resource must have, all of them; letter case counts as in SCIM. */
export type Equalities = { readonly [Name in keyof typeof ATTRIBUTES]?: string | undefined }

export interface LookUp {
  readonly equal: Equalities
  /** What a value must begin with. */
  readonly startsWith?: Equalities
  /** Only those created after the one with this id. */
  readonly after?: string | undefined
  readonly limit: number
  readonly wanted: Wanted
}

/** The resources of a type whose values match, in the order of creation. */
export async function lookUp(
  repositories: Repositories,
  registry: SchemaRegistry,
  type: ResourceType,
  { equal, startsWith = {}, after, limit, wanted }: LookUp,
): Promise<readonly ResourceRow<JsonText>[]> {
  const terms = [...comparisons('eq', equal), ...comparisons('sw', startsWith)]
  const filter = terms.length === 0 ? undefined : bindFilter({ kind: 'and', terms }, type)
  const { rows } = await repositories.queries.query({
    types: [{ type, filter, sortBy: undefined }],
    endpoints: registry.endpoints,
    sorted: false,
    descending: false,
    wanted,
    page: {
      kind: 'keyset',
      from: after === undefined ? undefined : { sort: null, id: after },
      backward: false,
      limit,
    },
  })
  return rows
}

/**
 * The users among those of `lookUp` who have the role with this key, directly or through groups in groups. Where no group gives
 * the role, there are none.
 */
export async function lookUpByRole(
  repositories: Repositories,
  registry: SchemaRegistry,
  roleKey: string,
  { equal, after, limit, wanted }: LookUp,
): Promise<readonly ResourceRow<JsonText>[]> {
  const [type, { roles }] = [builtIn(registry, 'User'), repositories]
  const role = await roles.find(roleKey)
  if (role === undefined) return []
  if (Object.values(equal).every((value) => value === undefined)) {
    const ids = await roles.users(role.id, after, limit)
    const rows = await repositories.resources.retrieveAll(type, ids, wanted)
    return rows.sort((a, b) => (a.id < b.id ? -1 : 1))
  }
  // An equality leaves few users, so their roles are looked up page by page.
  const found: ResourceRow<JsonText>[] = []
  for (let from = after; ; ) {
    const page = await lookUp(repositories, registry, type, { equal, after: from, limit, wanted })
    const having = await roles.having(
      role.id,
      page.map(({ id }) => id),
    )
    found.push(...page.filter(({ id }) => having.has(id)))
    from = page.at(-1)?.id
    if (page.length < limit || found.length >= limit) return found.slice(0, limit)
  }
}

const comparisons = (operator: 'eq' | 'sw', values: Equalities): Filter[] =>
  Object.entries(ATTRIBUTES).flatMap(([name, path]): Filter[] => {
    const [value, attribute] = [values[name as keyof Equalities], parseAttributePath(path)]
    if (value === undefined || attribute === undefined) return []
    return [{ kind: 'compare', attribute, operator, value, position: 0 }]
  })

/** A built-in resource type, which every tenant has. */
export function builtIn(registry: SchemaRegistry, name: 'User' | 'Group'): ResourceType {
  const type = registry.byName.get(name)
  if (type === undefined) throw new Error(`a registry without the type ${name}`)
  return type
}
