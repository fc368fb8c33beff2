import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { RepositoryScope } from '../scope.ts'
import { ofShape, type Statement, type Template, template } from '../sql/parameters.ts'
import { baseInJson, columnShape, joinedMembers, resourceColumns, type Wanted } from './rows.ts'

/** The statement that reads resources of one type. @param ids as an array literal */
export function retrieveStatement(type: ResourceType, ids: string, wanted: Wanted, scope: RepositoryScope): Statement {
  const { defersReferences } = scope
  const shape = columnShape(type, wanted, defersReferences)
  const { text, values } = ofShape(retrievals, shape, () => retrieval(type, wanted, defersReferences))
  return { text, values: values(named(type, ids, scope)) }
}

/** The statement that reads one group with all of its members, in as many rows as it takes. */
export function retrieveGroupStatement(type: ResourceType, id: string, scope: RepositoryScope): Statement {
  const { defersReferences } = scope
  const shape = columnShape(type, WITH_MEMBERS, defersReferences)
  const { text, values } = ofShape(groupRetrievals, shape, () => groupRetrieval(type, defersReferences))
  return { text, values: values(named(type, id, scope)) }
}

const named = (type: ResourceType, id: string, { tenantId, baseUrl }: RepositoryScope): Named => ({
  ...{ tenant: tenantId, id, type: type.name, base: baseInJson(baseUrl) },
})

/** The values by which one resource is read. */
type Named = Readonly<Record<'tenant' | 'id' | 'type' | 'base', string>>

const retrievals = new Map<string, Template<keyof Named>>()

/** The statement that reads resources, given an array of ids. */
const retrieval = (type: ResourceType, wanted: Wanted, withDeferred: boolean) =>
  template<keyof Named>((place) => {
    const places = { tenant: place('tenant', 'uuid'), base: () => place('base', 'text'), withDeferred }
    return `select ${resourceColumns(type, wanted, places)} from resources r
      where r.tenant_id = ${places.tenant} and r.id = any(${place('id', 'text')}::uuid[]) and r.resource_type = ${place('type', 'text')}`
  })

const WITH_MEMBERS = { groups: false, members: true }

const groupRetrievals = new Map<string, Template<keyof Named>>()

/** The statement that reads one group with its members, as rows of their own. */
const groupRetrieval = (type: ResourceType, withDeferred: boolean) =>
  template<keyof Named>((place) => {
    const places = { tenant: place('tenant', 'uuid'), base: () => place('base', 'text'), withDeferred }
    return `select ${resourceColumns(type, { groups: false, members: false }, places)}, c.text
      from resources r ${joinedMembers(places)}
      where r.tenant_id = ${places.tenant} and r.id = ${place('id', 'uuid')} and r.resource_type = ${place('type', 'text')}
      order by c.place`
  })
