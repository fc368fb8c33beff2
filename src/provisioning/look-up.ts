import type { ResourceRow, Wanted } from '../repositories/rows.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import type { Filter } from '../scim/filter/ast.ts'
import { bindFilter } from '../scim/filter/bind.ts'
import { parseAttributePath } from '../scim/filter/parse.ts'
import type { ResourceType, SchemaRegistry } from '../scim/schema/resource-type.ts'

/** The attributes by which the application finds people and groups, by the name that it calls them. */
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
  /** Only those made after the one with this id. */
  readonly after?: string | undefined
  readonly limit: number
  readonly wanted: Wanted
}

/** The resources of a type that meet all that is asked of their values, in the order of creation. */
export async function lookUp(
  repositories: Repositories,
  registry: SchemaRegistry,
  type: ResourceType,
  { equal, startsWith = {}, after, limit, wanted }: LookUp,
): Promise<readonly ResourceRow[]> {
  const terms = [...comparisons('eq', equal), ...comparisons('sw', startsWith)]
  const filter = terms.length === 0 ? undefined : bindFilter({ kind: 'and', terms }, type)
  const { rows } = await repositories.queries.query({
    types: [{ type, filter, sortBy: undefined }],
    endpoints: new Map(registry.resourceTypes.map(({ name, endpoint }) => [name, endpoint])),
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
