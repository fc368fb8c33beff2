import { type Database, READERS } from '../../db/database.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { RepositoryScope } from '../scope.ts'
import { batched } from '../sql/batched.ts'
import { isOurId } from '../sql/ids.ts'
import { arrayText, Parameters } from '../sql/parameters.ts'
import { createStatement } from './create-sql.ts'
import { removeStatement } from './remove-sql.ts'
import type { ChangedResource, Created, NewResource, Removal, Removed, UpdatedRow } from './resource-changes.ts'
import { retrieveStatement } from './retrieve-sql.ts'
import { columnShape, type PackedRow, type ResourceRow, unpacked, type Wanted } from './rows.ts'
import type { ResourceKey } from './stored-form.ts'
import { updateStatement } from './update-sql.ts'
import type { WriteResult } from './write-result.ts'

/** A row for each resource of a create; the last two where the application has posted accounts. */
type CreatedRow = Omit<PackedRow, 'packed'> & {
  readonly packed: string | null
  readonly refused?: boolean
  readonly accounts?: string | null
}

/**
 * Resources of one tenant, of every type. Each write is one guarded statement that also appends its events and counts, so
 * nothing is ever half there; `tenant_id = $1` stands in every part of every statement. The statements are in `…-sql.ts`.
 */
export function resourcesOf(db: Database, scope: RepositoryScope) {
  const ofTenant = () => {
    const parameters = new Parameters()
    return { parameters, tenant: parameters.bind(scope.tenantId, 'uuid') }
  }

  return {
    /** The resource with this id and type; undefined also for another tenant's. */
    async retrieve(type: ResourceType, id: string, wanted: Wanted): Promise<ResourceRow | undefined> {
      if (!isOurId(id)) return undefined
      // Not with others: a large group takes its time.
      if (wanted.members && type.name === 'Group') return (await retrieveAll(type, [id], wanted, scope.reader))[0]
      const shape = columnShape(type, wanted, scope.defersReferences)
      const name = `${scope.tenantId} ${type.name} id ${shape} ${scope.baseUrl}`
      return batched(db.shared, name, { question: id, reader: scope.reader }, async (ids, readers) => {
        const rows = new Map((await retrieveAll(type, ids, wanted, readers)).map((row) => [row.id, row]))
        return ids.map((id) => rows.get(id))
      })
    },

    retrieveAll,

    /**
     * Creates one resource, or many in one statement. The unique index decides who is first; of a resource whose name another
     * one has, nothing is stored. Groups come without members.
     * @throws a unique violation of `resource_keys_pk` for unique attributes of registered schemas
     */
    async create(resources: readonly NewResource[]): Promise<Created[]> {
      const { text, values } = createStatement(resources, scope)
      const rows = await db.run<CreatedRow>(text, values, { name: 'resources-create' })
      return rows.map((row) => {
        if (row.packed !== null) return { outcome: 'created', row: unpacked({ ...row, packed: row.packed }) }
        if (row.refused !== true) return { outcome: 'taken' }
        return { outcome: 'has-account', accounts: JSON.parse(row.accounts ?? '[]') as string[] }
      })
    },

    /** Which of these unique keys other resources have, by their place in the list. */
    async taken(keys: readonly { readonly type: ResourceType; readonly key: ResourceKey }[]): Promise<Set<number>> {
      const { parameters, tenant } = ofTenant()
      const wanted = keys.map(({ type, key: { attribute, key } }, ord) => ({ ord, type: type.name, attribute, key }))
      const rows = await db.run<{ ord: number }>(
        `select i.ord from jsonb_to_recordset(${parameters.json(wanted)}) as i(ord int, type text, attribute text, key text)
         join resource_keys k on k.tenant_id = ${tenant} and k.resource_type = i.type and k.attribute = i.attribute
           and k.key = i.key`,
        parameters.values,
      )
      return new Set(rows.map((row) => row.ord))
    },

    /** The resource type of each of these ids that this tenant has, by id. */
    async typesOf(ids: readonly string[]): Promise<Map<string, string>> {
      const known = ids.filter(isOurId)
      if (known.length === 0) return new Map()
      const { parameters, tenant } = ofTenant()
      const rows = await db.run<{ id: string; type: string }>(
        `select r.id::text, r.resource_type as type from resources r
         where r.tenant_id = ${tenant} and r.id = any(${parameters.array(known, 'uuid')})`,
        parameters.values,
      )
      return new Map(rows.map(({ id, type }) => [id, type]))
    },

    /**
     * Puts next states in place, one or many in one statement. Gives what is new in the rows of those that still had the
     * expected version; the others are left as they are, and left out.
     * @throws a unique violation when another resource has a name; nothing of the statement is done then
     */
    async update(changes: readonly ChangedResource[]): Promise<WriteResult<ReadonlyMap<string, UpdatedRow>>> {
      const { text, values } = updateStatement(changes, scope, db.distributed)
      const rows = await db.run<UpdatedRow & { id: string }>(text, values, { name: 'resources-update' })
      return { outcome: 'done', result: new Map(rows.map((row) => [row.id, row])) }
    },

    /**
     * Deletes resources with their memberships; the groups they were in get a new version and an event each (ours, RFC 7643
     * §2.3.7). Gives what became of each that is there, by id.
     */
    async remove(removal: Removal): Promise<WriteResult<ReadonlyMap<string, Removed>>> {
      const targets = removal.targets.filter(({ id }) => isOurId(id))
      if (targets.length === 0) return { outcome: 'done', result: new Map() }
      const { text, values } = removeStatement({ ...removal, targets }, scope, db.distributed)
      for (;;) {
        const rows = await db.run<Removed & { id: string; overtaken: boolean; has_rules: boolean }>(text, values, {
          name: 'resources-delete',
        })
        if (rows.some(({ has_rules }) => has_rules)) return { outcome: 'roles-apply' }
        // Other writers get on each time, so this ends.
        if (!rows.some(({ overtaken }) => overtaken))
          return { outcome: 'done', result: new Map(rows.map((row) => [row.id, row])) }
      }
    },
  }

  /** The resources of one type with these ids, in no order; missing ones are left out. */
  async function retrieveAll(
    type: ResourceType,
    ids: readonly string[],
    wanted: Wanted,
    reader = scope.reader ?? READERS,
  ): Promise<ResourceRow[]> {
    const { text, values } = retrieveStatement(type, arrayText(ids.filter(isOurId), 'uuid'), wanted, scope)
    const rows = await db.run<PackedRow>(text, values, { name: 'resources-read', reader })
    return rows.map((row) => unpacked(row))
  }
}
