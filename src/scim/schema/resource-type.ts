import type { Attribute, Schema } from './attribute.ts'

/**
 * A resource type with its schemas (RFC 7643 §6), ready for look-ups. Built by `schema/registry.ts`; never changed after.
 */
export interface ResourceType {
  /** `User`, `Group`, or a registered type's name. */
  readonly name: string
  /** Path of the collection below the base URL, such as `/Users`. */
  readonly endpoint: string
  readonly description: string
  readonly schema: Schema
  /** A second schema by which its resources are known. It has the same attributes, in the same places. */
  readonly also?: Schema
  readonly extensions: readonly { readonly schema: Schema; readonly required: boolean }[]
  /** Finds an attribute by its lower-cased name among the common (`schemas`, `id`, `externalId`, `meta`) and core ones. */
  readonly core: ReadonlyMap<string, Attribute>
  /** Per extension, by lower-cased URN: the URN as declared, and its attributes by lower-cased name. */
  readonly extensionsByUrn: ReadonlyMap<string, ExtensionAttributes>
}

export interface ExtensionAttributes {
  readonly urn: string
  readonly required: boolean
  readonly attributes: ReadonlyMap<string, Attribute>
}

/** Where an attribute path leads: an attribute, in which extension it stands, and perhaps one sub-attribute of it. */
export interface AttributeRef {
  /** The extension's URN as declared; undefined for common and core attributes. */
  readonly extension: string | undefined
  readonly attribute: Attribute
  readonly sub: Attribute | undefined
}

/** Every resource type and schema that a tenant has: the built-in ones and its own. */
export interface SchemaRegistry {
  readonly resourceTypes: readonly ResourceType[]
  /** By endpoint segment (`Users`), exactly as spelled: paths are case-sensitive. */
  readonly byEndpoint: ReadonlyMap<string, ResourceType>
  readonly byName: ReadonlyMap<string, ResourceType>
  /** Endpoints (`/Users`) by the name of the resource type. */
  readonly endpoints: ReadonlyMap<string, string>
  /** Resource schemas for `/Schemas`, by lower-cased URN (never message schemas, RFC 7644 §3.1). */
  readonly schemas: ReadonlyMap<string, Schema>
}
