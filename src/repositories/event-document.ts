import type { ResourceType } from '../scim/schema/resource-type.ts'
import { secretPaths } from '../scim/schema/secrets.ts'
import type { Parameters } from './parameters.ts'

/**
 * The document of the row `alias`, a resource of one of `types`, as an event may show it: as it is stored, but for what is
 * never returned. Types without anything of the kind cost nothing.
 */
export function eventDocument(types: readonly ResourceType[], alias: string, parameters: Parameters): string {
  const whole = `${alias}.document`
  const cases = [...new Set(types)].flatMap((type) => {
    const paths = secretPaths(type).map((path) => ` #- ${parameters.array(path, 'text')}`)
    if (paths.length === 0) return []
    return [`when ${parameters.bind(type.name, 'text')} then (${whole}::jsonb${paths.join('')})::text`]
  })
  return cases.length === 0 ? whole : `case ${alias}.resource_type ${cases.join(' ')} else ${whole} end`
}
