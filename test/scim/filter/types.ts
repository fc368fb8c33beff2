import { readFileSync } from 'node:fs'
import type { DeviationName, Deviations } from '../../../src/scim/deviations/index.ts'
import type { JsonObject } from '../../../src/scim/resource.ts'
import type { Attribute, Schema } from '../../../src/scim/schema/attribute.ts'
import type { ResourceType } from '../../../src/scim/schema/resource-type.ts'

/** Resource types for filter tests, built here so that these tests do not depend on the registry. */

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../fixtures/scim/${name}`, import.meta.url), 'utf8'))

type Declared = Partial<Omit<Attribute, 'name' | 'subAttributes'>> & {
  name: string
  subAttributes?: readonly Declared[]
}

export function attribute(declared: Declared): Attribute {
  return {
    type: 'string',
    multiValued: false,
    description: '',
    required: false,
    mutability: 'readWrite',
    returned: 'default',
    uniqueness: 'none',
    canonicalValues: [],
    referenceTypes: [],
    ...declared,
    caseExact: declared.caseExact ?? (declared.type === 'binary' || declared.type === 'reference'),
    subAttributes: (declared.subAttributes ?? []).map(attribute),
  }
}

type DeclaredSchema = { id: string; name: string; description: string; attributes: readonly Declared[] }

export const schema = ({ id, name, description, attributes }: DeclaredSchema): Schema => ({
  id,
  name,
  description,
  attributes: attributes.map(attribute),
})

const definitions: { commonAttributes: Declared[]; schemas: Record<string, DeclaredSchema> } = fixture('schemas.json')
const byName = (attributes: readonly Attribute[]) => new Map(attributes.map((one) => [one.name.toLowerCase(), one]))

export function resourceType(name: string, urn: string, extensions: readonly Schema[]): ResourceType {
  const base = schema(definitions.schemas[urn] as DeclaredSchema)
  return {
    name,
    endpoint: `/${name}s`,
    description: '',
    schema: base,
    extensions: extensions.map((extension) => ({ schema: extension, required: false })),
    core: byName([...definitions.commonAttributes.map(attribute), ...base.attributes]),
    extensionsByUrn: new Map(
      extensions.map(({ id, attributes }) => [
        id.toLowerCase(),
        { urn: id, required: false, attributes: byName(attributes) },
      ]),
    ),
  }
}

export const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
export const BADGE = 'urn:example:scim:schemas:extension:badge:2.0:User'

interface Vector {
  id: string
  endpoint: '/Users' | '/Groups' | '/'
  filter: string
  mode?: 'lenient'
}

export const vectors: {
  extensionSchemas: DeclaredSchema[]
  resources: (JsonObject & { id: string; meta: { resourceType: string } })[]
  valid: (Vector & { matches: string[] })[]
  invalid: (Vector & { scimType: string })[]
} = fixture('filter-vectors.json')

const enterprise = schema(definitions.schemas[ENTERPRISE] as DeclaredSchema)
export const user = resourceType('User', 'urn:ietf:params:scim:schemas:core:2.0:User', [
  enterprise,
  ...vectors.extensionSchemas.map(schema),
])
export const group = resourceType('Group', 'urn:ietf:params:scim:schemas:core:2.0:Group', [])

export const none: Deviations = new Set()
export const only = (...names: DeviationName[]): Deviations => new Set(names)
export const lenient = only('repeated-spaces', 'value-path-comparison', 'single-quoted-strings', 'string-booleans')

/** What a refusal says, as `scimType: detail`; throws when nothing is refused, or not as a ScimError. */
export function refusal(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof Error && error.name === 'ScimError' && 'scimType' in error && 'status' in error) {
      return `${error.status} ${error.scimType}: ${error.message}`
    }
    throw error
  }
  throw new Error('not refused')
}
