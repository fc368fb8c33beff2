import type { BoundFilter } from '../scim/filter/ast.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import { ofShape, type Template, template } from './parameters.ts'
import { columnShape, type RowPlaces, resourceColumns, type Wanted } from './rows.ts'
import { keyColumn } from './stored-form.ts'

/** Values of a look-up's statement. */
export type LookUpValue = 'tenant' | 'type' | 'key' | 'base'

/** What an `eq` on a key asks for: by which key, and the value as keys hold it. */
interface KeyEquality {
  readonly by: 'unique_key' | 'display_key' | 'external_id' | 'email'
  readonly key: string
}

/** The key to which the whole of a filter compares as equal, if it does nothing else: what identity providers ask by. */
export function keyEquality(filter: BoundFilter | undefined, type: ResourceType): KeyEquality | undefined {
  if (filter?.kind !== 'compare' || filter.operator !== 'eq' || filter.ref.extension !== undefined) return undefined
  const { attribute, sub } = filter.ref
  const key = String(filter.value)
  const by = keyColumn(type, attribute.name)
  if (by !== undefined) return { by, key }
  return attribute.name === 'emails' && sub?.name === 'value' && type.name === 'User' ? { by: 'email', key } : undefined
}

const lookUps = new Map<string, Template<LookUpValue>>()

/** The statement for resources with a key in the order of ids; of more than `limit` it gives any `limit`. */
export function lookingUp(
  by: KeyEquality['by'],
  type: ResourceType,
  wanted: Wanted,
  withDeferred: boolean,
  limit: number,
): Template<LookUpValue> {
  const shape = `${by} ${limit} ${columnShape(type, wanted, withDeferred)}`
  return ofShape(lookUps, shape, () => lookUp(by, type, wanted, withDeferred, limit))
}

const lookUp = (by: KeyEquality['by'], type: ResourceType, wanted: Wanted, withDeferred: boolean, limit: number) =>
  template<LookUpValue>((place) => {
    const places: RowPlaces = { tenant: place('tenant', 'uuid'), base: () => place('base', 'text'), withDeferred }
    const [ofType, key] = [`resource_type = ${place('type', 'text')}`, place('key', 'text')]
    const condition =
      by === 'email'
        ? `r.id in (select k.resource_id from resource_keys k where k.tenant_id = ${places.tenant} and k.${ofType}
            and k.attribute = 'emails.value' and k.key = ${key})`
        : `r.${by} = ${key}`
    const matches = `resources r where r.tenant_id = ${places.tenant} and r.${ofType} and ${condition}`
    const columns = resourceColumns(type, wanted, places)
    if (by === 'unique_key') return `select ${columns} from ${matches}`
    // Cut before they are sorted: for rows in the order of ids a plan may go through the whole tenant in that order, and
    // where more come than fit on the page nobody looks at them.
    return `select ${columns} from (select r.* from ${matches} limit ${Math.trunc(limit)}) r order by r.id`
  })
