import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { RepositoryScope } from '../scope.ts'
import { ofShape, type Statement, type Template, template } from '../sql/parameters.ts'
import { baseInJson, columnShape, resourceColumns, type Wanted } from './rows.ts'

/** The statement that reads resources of one type. @param ids as an array literal */
export function retrieveStatement(type: ResourceType, ids: string, wanted: Wanted, scope: RepositoryScope): Statement {
  const { defersReferences } = scope
  const shape = columnShape(type, wanted, defersReferences)
  const { text, values } = ofShape(retrievals, shape, () => retrieval(type, wanted, defersReferences))
  return { text, values: values(named(type, ids, scope)) }
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
