import type { JsonValue } from '../resource.ts'
import type { Attribute, Schema } from './attribute.ts'
import { commonAttributes } from './builtin.ts'
import { readAttributes } from './define.ts'
import type { ResourceType } from './resource-type.ts'

/** The attribute of users whose values a kind of the catalogue offers. */
export type CatalogueAttribute = 'roles' | 'entitlements'

/** A kind of what an application offers: a resource type that clients only read. */
export interface CatalogueKind {
  readonly name: string
  /** Path of the collection below the base URL, such as `/Licenses`. */
  readonly endpoint: string
  readonly attribute: CatalogueAttribute
  readonly description: string
}

const text = (name: string, description: string, more: object = {}): object => ({
  ...{ name, type: 'string', description, mutability: 'readOnly', ...more },
})

/**
 * What a role or an entitlement says of itself, by the names of both schemas: draft-ietf-scim-roles-entitlements-01 §4.2 has
 * `value` and `display`, Okta has `displayName` and `description`. Both know `type`.
 */
const attributes = readAttributes(
  [
    text('value', 'What a user has in roles.value or entitlements.value; it is the id, too.'),
    text('display', 'The name for people.'),
    text('displayName', 'The name for people.'),
    text('description', 'What it allows.'),
    text('type', 'The name of its resource type.'),
    { name: 'supported', type: 'boolean', description: 'Whether users can get it.', mutability: 'readOnly' },
    text('contains', 'Values of those that it includes.', { multiValued: true }),
    text('containedBy', 'Values of those that include it.', { multiValued: true }),
  ] as JsonValue,
  'attributes',
)

const schema = (id: string, name: string, description: string): Schema =>
  Object.freeze({ id, name, description, attributes })

/** Per attribute: Okta's schema, by which Okta finds the kind in `/ResourceTypes`, and the working group's. */
export const CATALOGUE_SCHEMAS: Readonly<Record<CatalogueAttribute, { readonly own: Schema; readonly also: Schema }>> =
  {
    roles: {
      own: schema('urn:okta:scim:schemas:core:1.0:Role', 'Role', 'A role that users can have, as Okta reads it.'),
      also: schema('urn:ietf:params:scim:schemas:core:2.0:Role', 'Role', 'A role that users can have.'),
    },
    entitlements: {
      own: schema(
        'urn:okta:scim:schemas:core:1.0:Entitlement',
        'Entitlement',
        'An entitlement that users can have, as Okta reads it.',
      ),
      also: schema(
        'urn:ietf:params:scim:schemas:core:2.0:Entitlement',
        'Entitlement',
        'An entitlement that users can have.',
      ),
    },
  }

/** The URNs of the schemas that catalogues have. No registered schema may have one of them. */
export const CATALOGUE_URNS: readonly string[] = Object.values(CATALOGUE_SCHEMAS).flatMap(({ own, also }) => [
  own.id,
  also.id,
])

const flag = (name: string, description: string): object => ({
  name,
  type: 'boolean',
  description,
  mutability: 'readOnly',
})
const part = (name: string, several: string): object => ({
  ...{ name, type: 'complex', description: `What there is of ${name}.`, mutability: 'readOnly' },
  subAttributes: [
    flag('supported', 'Whether there is an endpoint of this name.'),
    flag(several, 'Whether a user can have several.'),
    flag('primarySupported', 'Whether one of them can be the primary one.'),
    flag('typeSupported', 'Whether they can have a type.'),
    text('types', 'Names of the resource types.', { multiValued: true }),
  ],
})

/** The member of ServiceProviderConfig that says what there is of them (draft-ietf-scim-roles-entitlements-01 §4.1). */
export const ROLES_AND_ENTITLEMENTS: Attribute = readAttributes(
  [
    {
      ...{ name: 'RolesAndEntitlements', type: 'complex', description: 'What there is of roles and entitlements.' },
      mutability: 'readOnly',
      subAttributes: [part('roles', 'multipleRolesSupported'), part('entitlements', 'multipleEntitlementsSupported')],
    },
  ] as JsonValue,
  'attributes',
  3,
)[0] as Attribute

const core: ReadonlyMap<string, Attribute> = new Map(
  [...commonAttributes, ...attributes].map((attribute) => [attribute.name.toLowerCase(), attribute]),
)

/** The resource type of a kind. Its attributes stand among the core ones under either schema. */
export function catalogueType({ name, endpoint, attribute, description }: CatalogueKind): ResourceType {
  const { own, also } = CATALOGUE_SCHEMAS[attribute]
  return Object.freeze({
    ...{ name, endpoint, description: description === '' ? own.description : description },
    ...{ schema: own, also, extensions: Object.freeze([]), core, extensionsByUrn: new Map() },
  })
}
