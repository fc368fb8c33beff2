import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../db/database.ts'
import { schemaDefinitions, searchDocuments, tenants } from '../../db/schema.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import type { JsonValue } from '../../scim/resource.ts'
import {
  type Definition,
  type DefinitionKind,
  definitionJson,
  definitionName,
  NO_DEFINITIONS,
  readDefinition,
} from '../../scim/schema/definitions.ts'
import { foldKey } from '../../tenancy/scim-path.ts'
import { literal } from '../sql/fragments.ts'
import type { ListPage } from '../sql/lists.ts'
import { cataloguesOf } from './catalogues.ts'

export interface DefinitionRow {
  readonly id: string
  /** Null for a definition of the environment, which applies to all of its tenants. */
  readonly tenantId: TenantId | null
  readonly definition: Definition
  /** 1 when made, and one more for each change. */
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

/**
 * The schemas and resource types that one environment and its tenants have of their own. A `tenantId` of null means those of
 * the environment itself.
 */
export function schemaDefinitionsOf(database: Database, environmentId: EnvironmentId) {
  const { orm } = database
  const columns = {
    id: schemaDefinitions.id,
    tenantId: schemaDefinitions.tenantId,
    kind: schemaDefinitions.kind,
    definition: schemaDefinitions.definition,
    version: schemaDefinitions.version,
    createdAt: schemaDefinitions.createdAt,
    updatedAt: schemaDefinitions.updatedAt,
  }
  const inEnvironment = eq(schemaDefinitions.environmentId, environmentId)
  const at = (tenantId: TenantId | null) =>
    and(
      inEnvironment,
      tenantId === null ? isNull(schemaDefinitions.tenantId) : eq(schemaDefinitions.tenantId, tenantId),
    )
  const select = () => orm.select(columns).from(schemaDefinitions)

  return {
    /** The definitions of the environment and of every tenant in it, in the order of creation. */
    async all(): Promise<DefinitionRow[]> {
      return (await select().where(inEnvironment).orderBy(asc(schemaDefinitions.id))).map(read)
    },

    /** The definitions of one place, for its registry. */
    async definitions(tenantId: TenantId | null): Promise<readonly Definition[]> {
      const rows = await select().where(at(tenantId)).orderBy(asc(schemaDefinitions.id))
      return rows.length === 0 ? NO_DEFINITIONS : rows.map((row) => read(row).definition)
    },

    async list(tenantId: TenantId | null, kind: DefinitionKind, { after, limit }: ListPage): Promise<DefinitionRow[]> {
      const beyond = after === undefined ? undefined : gt(schemaDefinitions.id, after)
      const condition = and(at(tenantId), eq(schemaDefinitions.kind, kind), beyond)
      return (await select().where(condition).orderBy(asc(schemaDefinitions.id)).limit(limit)).map(read)
    },

    async find(tenantId: TenantId | null, kind: DefinitionKind, name: string): Promise<DefinitionRow | undefined> {
      const named = eq(schemaDefinitions.nameFolded, foldKey(name))
      const [row] = await select().where(and(at(tenantId), eq(schemaDefinitions.kind, kind), named))
      return row && read(row)
    },

    async insert(tenantId: TenantId | null, definition: Definition): Promise<DefinitionRow> {
      const name = definitionName(definition)
      const values = { id: uuidv7(), environmentId, tenantId, kind: definition.kind, name, nameFolded: foldKey(name) }
      const made = orm.insert(schemaDefinitions).values({ ...values, definition: definitionJson(definition) })
      return one(await made.returning(columns))
    },

    async change(id: string, definition: Definition): Promise<DefinitionRow> {
      const version = sql`${schemaDefinitions.version} + 1`
      const changed = orm
        .update(schemaDefinitions)
        .set({ definition: definitionJson(definition), version, updatedAt: sql`now()` })
        .where(and(inEnvironment, eq(schemaDefinitions.id, id)))
      return one(await changed.returning(columns))
    },

    async delete(id: string): Promise<void> {
      await orm.delete(schemaDefinitions).where(and(inEnvironment, eq(schemaDefinitions.id, id)))
    },

    /** Whether a resource type of the environment, or of any tenant in it, has the endpoint `/key`, in any case. Kinds of catalogues count. */
    async hasEndpoint(key: string): Promise<boolean> {
      const endpoint = sql`lower(${schemaDefinitions.definition} #>> '{resourceType,endpoint}') = ${`/${foldKey(key)}`}`
      const condition = and(inEnvironment, eq(schemaDefinitions.kind, 'resourceType'), endpoint)
      const [type] = await orm.select({ id: schemaDefinitions.id }).from(schemaDefinitions).where(condition).limit(1)
      if (type !== undefined) return true
      const all = await cataloguesOf(database, environmentId).kinds()
      return all.some(({ kinds }) => kinds.some((kind) => foldKey(kind.endpoint) === `/${foldKey(key)}`))
    },

    /** Whether there are resources of a resource type, or with data of an extension, where the definition is in force. */
    async isInUse({ tenantId, definition }: DefinitionRow): Promise<boolean> {
      const isExtension = definition.kind === 'extension'
      const type = isExtension ? definition.resourceType : definition.type.name
      const hasData = isExtension
        ? sql`${searchDocuments.search} @> jsonb_build_object(${tenants.id},
            jsonb_build_object('schemas', array[${definition.schema.id}::text]))`
        : undefined
      const rows = await orm
        .select({ id: tenants.id })
        .from(tenants)
        .innerJoin(searchDocuments, eq(searchDocuments.tenantId, tenants.id))
        .where(
          and(
            eq(tenants.environmentId, environmentId),
            eq(searchDocuments.resourceType, type),
            tenantId === null ? undefined : eq(tenants.id, tenantId),
            hasData,
          ),
        )
        .limit(literal(1))
      return rows.length > 0
    },
  }
}

/** The definitions of one place, from a JSON text with `kind` and `definition` of each. */
export function readDefinitions(text: string): readonly Definition[] {
  const stored = JSON.parse(text) as readonly { readonly kind: DefinitionKind; readonly definition: JsonValue }[]
  return stored.map(({ kind, definition }) => readDefinition(kind, definition))
}

type Raw = Omit<DefinitionRow, 'definition'> & { readonly kind: DefinitionKind; readonly definition: unknown }

function read({ kind, definition, ...row }: Raw): DefinitionRow {
  try {
    return { ...row, definition: readDefinition(kind, definition as JsonValue) }
  } catch (cause) {
    // It was checked before it was stored. So this is our fault, and no client can do anything about it.
    throw new Error(`the schema definition ${row.id} cannot be read`, { cause })
  }
}

function one([row]: Raw[]): DefinitionRow {
  if (row === undefined) throw new Error('a schema definition was not stored')
  return read(row)
}
