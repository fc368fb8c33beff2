import type { ResourceType } from '../../scim/schema/resource-type.ts'
import { secretPaths } from '../../scim/schema/secrets.ts'
import type { Parameters } from '../sql/parameters.ts'

/**
 * The document of the row `alias`, a resource of one of `types`, as an event may show it: with `active`, and without
 * attributes that are never returned. A type without such attributes costs nothing.
 */
export function eventDocument(types: readonly ResourceType[], alias: string, parameters: Parameters): string {
  const whole = `${alias}.document`
  const cases = [...new Set(types)].flatMap((type) => {
    const paths = secretPaths(type).map((path) => ` #- ${parameters.array(path, 'text')}`)
    if (paths.length === 0) return []
    return [`when ${parameters.bind(type.name, 'text')} then (${whole}::jsonb${paths.join('')})::text`]
  })
  const document = cases.length === 0 ? whole : `case ${alias}.resource_type ${cases.join(' ')} else ${whole} end`
  // `active` has a column. A document is never empty, since it has `schemas`.
  return `case when ${alias}.active is null then ${document}
    else left(${document}, -1) || ',"active":' || ${alias}.active || '}' end`
}
