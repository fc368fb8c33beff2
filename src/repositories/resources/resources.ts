import { type Database, READERS } from '../../db/database.ts'
import type { ResourceType } from '../../scim/schema/resource-type.ts'
import type { RepositoryScope } from '../scope.ts'
import { appendEvents } from '../sql/append-events.ts'
import { batched } from '../sql/batched.ts'
import { isOurId } from '../sql/ids.ts'
import { memberBatches, memberBatchJson } from '../sql/member-events.ts'
import { arrayText, ofShape, Parameters, type Template, template } from '../sql/parameters.ts'
import { rolesBegun, withoutRoleRules } from '../sql/role-rules.ts'
import { isActiveUser } from './counts.ts'
import { eventDocument } from './event-document.ts'
import { keeping } from './kept-users.ts'
import type { ChangedResource, Created, NewResource, Removed, UpdatedRow } from './resource-changes.ts'
import { createInput, updateInput } from './resource-input.ts'
import {
  baseInJson,
  columnShape,
  joinedMembers,
  managerColumn,
  momentColumns,
  type PackedRow,
  type ResourceRow,
  resourceColumns,
  unpacked,
  type Wanted,
} from './rows.ts'
import type { ResourceKey } from './stored-form.ts'

const now = `date_trunc('milliseconds', now())`
/** Of reads by id: they may be several requests' together, and are short. */
const READING = { reader: READERS }
const keyRows = '(attribute text, key text, "unique" boolean)'

/** One row of plain parameters is put where it is used, which spares the statement half of its parts. */
const inlined = (rows: readonly unknown[]) => (rows.length === 1 ? 'not materialized' : 'materialized')

/**
 * Resources of one tenant, of every type. Each write is one guarded statement that also appends its events and counts, so
 * nothing is ever half there; `tenant_id = $1` stands in every part of every statement.
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
      if (wanted.members && type.name === 'Group') return groupWithMembers(type, id)
      const shape = columnShape(type, wanted, scope.defersReferences)
      return batched(db, `${scope.tenantId} ${type.name} id ${shape} ${scope.baseUrl}`, id, async (ids) => {
        const rows = new Map((await retrieveAll(type, ids, wanted)).map((row) => [row.id, row]))
        return ids.map((id) => rows.get(id))
      })
    },

    retrieveAll,

    /**
     * Makes one resource, or many in one statement. The unique index decides who is first; a taken name leaves nothing
     * behind. Groups come without members.
     * @throws a unique violation of `resource_keys_unique` for unique attributes of registered schemas
     */
    async create(resources: readonly NewResource[]): Promise<Created[]> {
      const { parameters, tenant } = ofTenant()
      const [request, actor] = [parameters.bind(scope.requestId, 'text'), parameters.bind(scope.actor, 'text')]
      const withKeys = resources.some((resource) => resource.stored.keys.length > 0)
      const withRevived = resources.some((resource) => resource.revived !== undefined)
      const types = resources.map((resource) => resource.type)
      const statement = `with input as ${inlined(resources)} (${createInput(resources, parameters, { withKeys, withRevived })}),
        created as (
          insert into resources (tenant_id, id, resource_type, external_id, unique_key, display_key, label, active,
            manager_id, document, search, password_hash, version, created_at, modified_at)
          select ${tenant}, i.id, i.resource_type, i.external_id, i.unique_key, i.display_key, i.label, i.active,
            i.manager_id, i.document, i.search, i.password_hash,
            ${withRevived ? `coalesce(i.version + 1, 1), coalesce(i.created_at, ${now})` : `1, ${now}`}, ${now}
          from input i order by i.ord
          on conflict (tenant_id, resource_type, unique_key) do nothing
          returning *
        ),
        ${
          withKeys
            ? `keyed as (
          insert into resource_keys (tenant_id, resource_type, attribute, key, resource_id, is_unique)
          select ${tenant}, c.resource_type, k.attribute, k.key, c.id, k."unique"
          from created c join input i on i.id = c.id cross join lateral jsonb_to_recordset(i.keys) as k${keyRows}
        ),`
            : ''
        }
        counted as (
          insert into resource_counts (tenant_id, resource_type, delta, active_delta)
          select ${tenant}, c.resource_type, count(*), count(*) filter (where ${isActiveUser('c')})
          from created c group by c.resource_type
        ),
        logged as (
          ${appendEvents({
            tenant,
            type: { sql: 'i.event' },
            resourceType: 'c.resource_type',
            resourceId: 'c.id',
            version: 'c.version',
            requestId: request,
            actor,
            occurredAt: 'c.modified_at',
            changes: `'{"after":' || ${eventDocument(types, 'c', parameters)} || '}'`,
            from: 'created c join input i on i.id = c.id',
          })}
        )
        select ${resourceColumns(undefined, { groups: false, members: false }, { tenant, base: () => '', withDeferred: false })}
        from input i left join created r on r.id = i.id order by i.ord`
      const rows = await db.run<PackedRow & { packed: string | null }>(statement, parameters.values)
      return rows.map((row) =>
        row.packed === null ? { outcome: 'taken' } : { outcome: 'created', row: unpacked(row) },
      )
    },

    /** Which of these unique keys are taken, by their place in the list. */
    async taken(keys: readonly { readonly type: ResourceType; readonly key: ResourceKey }[]): Promise<Set<number>> {
      const { parameters, tenant } = ofTenant()
      const wanted = keys.map(({ type, key: { attribute, key } }, ord) => ({ ord, type: type.name, attribute, key }))
      const rows = await db.run<{ ord: number }>(
        `select i.ord from jsonb_to_recordset(${parameters.json(wanted)}) as i(ord int, type text, attribute text, key text)
         join resource_keys k on k.tenant_id = ${tenant} and k.resource_type = i.type and k.attribute = i.attribute
           and k.key = i.key and k.is_unique`,
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
     * @throws a unique violation when a name is taken; nothing of the statement is done then
     */
    async update(changes: readonly ChangedResource[]): Promise<Map<string, UpdatedRow>> {
      const { parameters, tenant } = ofTenant()
      const withKeys = changes.some((change) => change.keysAdded.length + change.keysRemoved.length > 0)
      const withActive = changes.some((change) => change.activeDelta !== 0)
      const statement = `with input as ${inlined(changes)} (${updateInput(changes, parameters, { withKeys, withActive })}),
        updated as (
          update resources r set version = r.version + 1, external_id = i.external_id, unique_key = i.unique_key,
            display_key = i.display_key, label = i.label, active = i.active, manager_id = i.manager_id,
            document = i.document, search = i.search, password_hash = nullif(coalesce(i.password_hash, r.password_hash), ''),
            modified_at = greatest(${now}, r.modified_at + interval '1 millisecond')
          from input i
          where r.tenant_id = ${tenant} and r.id = i.id and (r.resource_type = i.resource_type) is true and r.version = i.expected
          returning r.id, r.resource_type, r.version, r.modified_at, r.created_at, r.manager_id
        ),
        ${
          withKeys
            ? `unkeyed as (
          delete from resource_keys k using updated u join input i on i.id = u.id
            cross join lateral jsonb_to_recordset(i.keys_removed) as x${keyRows}
          where k.tenant_id = ${tenant} and k.resource_id = u.id and k.attribute = x.attribute and k.key = x.key
        ),
        keyed as (
          insert into resource_keys (tenant_id, resource_type, attribute, key, resource_id, is_unique)
          select ${tenant}, u.resource_type, x.attribute, x.key, u.id, x."unique"
          from updated u join input i on i.id = u.id cross join lateral jsonb_to_recordset(i.keys_added) as x${keyRows}
        ),`
            : ''
        }
        ${
          withActive
            ? `counted as (
          insert into resource_counts (tenant_id, resource_type, delta, active_delta)
          select ${tenant}, u.resource_type, 0, sum(i.active_delta)
          from updated u join input i on i.id = u.id group by u.resource_type
        ),`
            : ''
        }
        logged as (
          ${appendEvents({
            tenant,
            type: { sql: 'e.type' },
            resourceType: 'u.resource_type',
            resourceId: 'u.id',
            version: 'u.version',
            requestId: parameters.bind(scope.requestId, 'text'),
            actor: parameters.bind(scope.actor, 'text'),
            occurredAt: 'u.modified_at',
            changes: 'e.changes::text',
            from: `updated u join input i on i.id = u.id
          cross join lateral jsonb_to_recordset(i.events) as e(type text, changes jsonb)`,
          })}
        )
        select r.id::text, r.version::int, ${momentColumns}, ${managerColumn({ tenant })} as manager from updated r`
      const rows = await db.run<UpdatedRow & { id: string }>(statement, parameters.values)
      return new Map(rows.map((row) => [row.id, row]))
    },

    /**
     * Deletes resources with their memberships; the groups they were in get a new version and an event each (ours, RFC 7643
     * §2.3.7). `expectedVersion` null takes any. With `keepDays` users are kept for that long, to be revived.
     */
    async remove(
      type: ResourceType,
      targets: readonly { id: string; expectedVersion: number | null }[],
      eventNoun: string,
      keepDays: number | undefined,
    ): Promise<Map<string, Removed>> {
      const known = targets.filter(({ id }) => isOurId(id))
      if (known.length === 0) return new Map()
      const { parameters, tenant } = ofTenant()
      const [request, actor] = [parameters.bind(scope.requestId, 'text'), parameters.bind(scope.actor, 'text')]
      const input = parameters.json(known.map(({ id, expectedVersion }) => ({ id, expected: expectedVersion })))
      // Others are nobody's members.
      const mayGo = scope.hasRoles || !['User', 'Group'].includes(type.name) ? 'true' : withoutRoleRules(tenant)
      const keep = keepDays === undefined ? undefined : keeping(keepDays, tenant, parameters)
      const isGroup = type.name === 'Group'
      const size = isGroup ? `',"memberCount":' || coalesce(s.members, 0) || '}'` : `'}'`
      const statement = `with input as materialized (
          select * from jsonb_to_recordset(${input}) as i(id uuid, expected bigint)
        ),
        unruled as materialized (select ${mayGo} as yes),
        target as materialized (
          select r.id, r.version, (i.expected is null or i.expected = r.version) and (select yes from unruled) as fits from resources r join input i on i.id = r.id
          where r.tenant_id = ${tenant} and r.resource_type = ${parameters.bind(type.name, 'text')}
            and r.id = any(array(select id from input)) order by r.id for update of r
        ),
        unjoined as (
          delete from memberships m where m.tenant_id = ${tenant} and m.ctid = any(array(
            select n.ctid from target t cross join lateral (
              select n.ctid from memberships n where n.tenant_id = ${tenant} and n.member_id = t.id offset 0
            ) n where t.fits
            union
            select n.ctid from target t cross join lateral (
              select n.ctid from memberships n where n.tenant_id = ${tenant} and n.group_id = t.id offset 0
            ) n where t.fits
          ))
          returning m.group_id, m.member_id
        ),
        removed as (
          delete from resources r using target t where r.tenant_id = ${tenant} and r.id = t.id and t.fits
          returning r.id, r.resource_type, r.version, r.document, r.active, r.unique_key, r.external_id, r.created_at
        ),
        ${keep?.kept ?? ''}
        bumped as (
          update resources r set version = r.version + 1, modified_at = greatest(${now}, r.modified_at + interval '1 millisecond')
          where r.tenant_id = ${tenant} and r.id = any(array(select distinct group_id from unjoined))
            and not r.id = any(array(select id from target where fits))
          returning r.id, r.version, r.modified_at
        ),
        counted as (
          insert into resource_counts (tenant_id, resource_type, delta, active_delta)
          select ${tenant}, x.resource_type, -count(*), -count(*) filter (where ${isActiveUser('x')})
          from removed x group by x.resource_type
        ),
        logged as (
          ${appendEvents(
            {
              tenant,
              type: keep?.event ?? { sql: parameters.bind(`${eventNoun}.deleted`, 'text') },
              resourceType: 'x.resource_type',
              resourceId: 'x.id',
              version: 'x.version + 1',
              requestId: request,
              actor,
              changes: keep?.changes ?? `'{"before":' || ${eventDocument([type], 'x', parameters)} || ${size}`,
              from: `removed x ${isGroup ? 'left join (select group_id, count(*) as members from unjoined group by group_id) s on s.group_id = x.id' : ''}`,
            },
            {
              tenant,
              type: 'group.member_removed',
              resourceType: `'Group'`,
              resourceId: 'b.id',
              version: 'b.version',
              requestId: request,
              actor,
              occurredAt: 'b.modified_at',
              changes: memberBatchJson('u.member_id'),
              from: `bumped b join (${memberBatches('select group_id, member_id from unjoined')}) u on u.group_id = b.id
          group by b.id, b.version, b.modified_at, u.batch`,
            },
          )}
        )
        select t.id::text, t.version::int, exists (select 1 from removed x where x.id = t.id) as removed,
          not (select yes from unruled) as ruled from target t`
      const rows = await db.run<Removed & { id: string; ruled: boolean }>(statement, parameters.values)
      if (rows.some(({ ruled }) => ruled)) rolesBegun(scope)
      return new Map(rows.map((row) => [row.id, row]))
    },
  }

  /** The resources of one type with these ids, in no order; missing ones are left out. */
  async function retrieveAll(type: ResourceType, ids: readonly string[], wanted: Wanted): Promise<ResourceRow[]> {
    const shape = columnShape(type, wanted, scope.defersReferences)
    const { text, values } = ofShape(retrievals, shape, () => retrieval(type, wanted, scope.defersReferences))
    const rows = await db.run<PackedRow>(text, values(named(type, arrayText(ids.filter(isOurId), 'uuid'))), READING)
    return rows.map((row) => unpacked(row))
  }

  /** A group with its members, however many. */
  async function groupWithMembers(type: ResourceType, id: string): Promise<ResourceRow | undefined> {
    const { defersReferences: withDeferred } = scope
    const { text, values } = ofShape(groupRetrievals, columnShape(type, WITH_MEMBERS, withDeferred), () =>
      groupRetrieval(type, withDeferred),
    )
    const reader = scope.reader ?? READERS
    const rows = await db.run<PackedRow & { text: string | null }>(text, values(named(type, id)), { reader })
    const [first] = rows
    if (first === undefined) return undefined
    const row = unpacked(first)
    if (first.text === null) return row
    const last = rows.length - 1
    const members = rows.map(({ text }, i) => `${i === 0 ? '[' : ','}${text}${i === last ? ']' : ''}`)
    return { ...row, members }
  }

  function named(type: ResourceType, id: string): Named {
    return { tenant: scope.tenantId, id, type: type.name, base: baseInJson(scope.baseUrl) }
  }
}

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
