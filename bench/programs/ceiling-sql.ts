// One statement for each kind of work, as plain as it can be: the same rows and indexes as the gateway's, and nothing else.
// Each is written so that its generic plan is the best one at any size; the planner thinks little of jsonb and of arrays.

const user = `tenant_id = $1 and resource_type = 'User'`
const moment = `date_trunc('milliseconds', now())`

const searched = (part: string) => `select r.document from (
    select s.resource_id from search_documents s
    where (s.tenant_id = $1) is true and (s.resource_type = 'User') is true and s.search @> ${part} offset 0
  ) s cross join lateral (
    select r.document from resources r where r.tenant_id = $1 and r.id = s.resource_id offset 0
  ) r limit 100`

/** Reads: `$1` is the tenant, `$2` what is looked for; each gives `document`. */
export const reads = {
  read: 'select document from resources where tenant_id = $1 and id = $2',
  'user-name': `select document from resources where ${user} and unique_key = $2`,
  'display-name': `select document from resources where tenant_id = $1 and resource_type = 'Group' and display_key = $2`,
  'external-id': `select document from resources where ${user} and external_id = $2`,
  email: searched(`jsonb_build_object($1::text, jsonb_build_object('emails', jsonb_build_array(
    jsonb_build_object('value', $2::text))))`),
  search: searched('$2::text::jsonb'),
  offset: `select r.document from (select id from resources where ${user} order by id offset $2::bigint limit 100) p
    join resources r on r.tenant_id = $1 and r.id = p.id order by p.id`,
  after: `select document from resources where ${user} and id > $2 order by id limit 100`,
  group: `select left(r.document, -1) || ',"members":' || (
      select '[' || string_agg('{"value":"' || o.id || '","$ref":"http://localhost/' || o.id || '","type":"' || o.resource_type
        || '","display":' || to_json(o.label)::text || '}', ',' order by o.id) || ']'
      from memberships m join resources o on o.tenant_id = m.tenant_id and o.id = m.member_id
      where m.tenant_id = $1 and m.group_id = r.id) || '}' as document
    from resources r where r.tenant_id = $1 and r.id = $2`,
} as const

/** What a statement is given; what a body does not have for it is not worked out. */
export type Value =
  | ('tenant' | 'id' | 'externalId' | 'uniqueKey' | 'displayKey' | 'label' | 'document' | 'search')
  | ('active' | 'language' | 'add' | 'remove' | 'members' | 'rows' | 'bareRows')

/** A statement, and what its parameters `$1`, `$2` and so on are. */
export interface Statement {
  readonly takes: readonly Value[]
  readonly text: string
}

/** What both ceilings do. */
export interface Writes {
  readonly create: Statement
  readonly createMany: Statement
  readonly setActive: Statement
  readonly setLanguage: Statement
  readonly replace: Statement
  readonly changeMembers: Statement
}

/**
 * The rows that a write leaves beside the resource, as CTEs: its events, each with a row that waits for its position. `events`
 * is a query of type, resource_type, resource_id, version, occurred_at, changes, total_delta and active_delta.
 */
const told = (events: string): string => `logged as (
    insert into events (tenant_id, type, resource_type, resource_id, version, occurred_at, changes, total_delta, active_delta,
      request_id, actor)
    select $1::uuid, x.*, 'bench', 'bench' from (${events}) x
    returning tenant_id, seq, resource_type, total_delta, active_delta
  ), waiting as (
    insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta) select * from logged
  )`

const resourceColumns = `tenant_id, id, resource_type, external_id, unique_key, display_key, label, active, document,
      created_at, modified_at`
const created = `select 'user.created', 'User', r.id, 1, r.created_at, r.document, 1, 1 from r`
const updated = (type: string, path: string, activeDelta = '0') =>
  `select '${type}', 'User', r.id, r.version, r.modified_at, '{"changed":[{"path":"${path}"}]}', 0, ${activeDelta} from r`
/** Of the groups in `g`. */
const groupUpdated = (type: string, members: string) =>
  `select '${type}', 'Group', g.id, g.version, g.modified_at, json_build_object('members', ${members})::text, 0, 0 from g`

/** The document with another preferredLanguage, by its text: to parse it would be the most of the work. */
export const withLanguage = (language: string): string =>
  `regexp_replace(document, '"preferredLanguage":"[^"]*"', '"preferredLanguage":"' || ${language} || '"')`

/** Writes the rows and indexes that the gateway writes. */
export const sameRows = {
  create: {
    takes: ['tenant', 'id', 'externalId', 'uniqueKey', 'displayKey', 'label', 'document', 'search'],
    text: `with r as (
      insert into resources (${resourceColumns})
      values ($1, $2, 'User', $3, $4, $5, $6, true, $7, ${moment}, ${moment})
      returning id, document, created_at
    ), s as (
      insert into search_documents (tenant_id, resource_type, resource_id, search) values ($1, 'User', $2, $8::text::jsonb)
    ), ${told(created)} select document from r`,
  },
  createMany: {
    takes: ['tenant', 'rows'],
    text: `with i as (
      select * from jsonb_to_recordset($2::text::jsonb) i(id uuid, external_id text, unique_key text, display_key text, label text,
        document text, search jsonb)
    ), r as (
      insert into resources (${resourceColumns})
      select $1, id, 'User', external_id, unique_key, display_key, label, true, document, ${moment}, ${moment} from i
      returning id, document, created_at
    ), s as (
      insert into search_documents (tenant_id, resource_type, resource_id, search) select $1, 'User', i.id, i.search from i
    ), ${told(created)} select id from r`,
  },
  setActive: {
    takes: ['tenant', 'id', 'active'],
    text: `with r as (
      update resources set active = $3::boolean, version = version + 1, modified_at = ${moment}
      where tenant_id = $1 and id = $2 returning id, version, modified_at, document
    ), ${told(updated('user.deactivated', 'active', 'case when $3::boolean then 1 else -1 end'))} select document from r`,
  },
  setLanguage: {
    takes: ['tenant', 'id', 'language'],
    text: `with r as (
      update resources set document = ${withLanguage('$3::text')}, version = version + 1, modified_at = ${moment}
      where tenant_id = $1 and id = $2 returning id, version, modified_at, document
    ), s as (
      update search_documents
      set search = jsonb_set(search, array[$1::uuid::text, 'preferredLanguage'], to_jsonb(lower($3::text)))
      where tenant_id = $1 and resource_type = 'User' and resource_id = $2
    ), ${told(updated('user.updated', 'preferredLanguage'))} select document from r`,
  },
  replace: {
    takes: ['tenant', 'id', 'document', 'search'],
    text: `with r as (
      update resources set document = $3, version = version + 1, modified_at = ${moment}
      where tenant_id = $1 and id = $2 returning id, version, modified_at, document
    ), s as (
      update search_documents set search = $4::text::jsonb where tenant_id = $1 and resource_type = 'User' and resource_id = $2
    ), ${told(updated('user.updated', 'nickName'))} select document from r`,
  },
  changeMembers: {
    takes: ['tenant', 'id', 'add', 'remove'],
    text: `with g as (
      update resources set version = version + 1, modified_at = ${moment}
      where tenant_id = $1 and id = $2 returning id, version, modified_at
    ), a as (
      insert into memberships (tenant_id, group_id, member_id) select $1, $2, x from unnest($3::text::uuid[]) x
      on conflict do nothing
    ), d as (
      delete from memberships where ctid = any (array(
        select m.ctid from unnest($4::text::uuid[]) x(id) cross join lateral (
          select n.ctid from memberships n where n.tenant_id = $1 and n.group_id = $2 and n.member_id = x.id limit 1) m))
    ), ${told(groupUpdated('group.member_added', 'array_cat($3::text::uuid[], $4::text::uuid[])'))}
    select version::int as version from g`,
  },
} satisfies Writes

/** What the ceiling of the same rows does besides. */
export const sameRowsBesides = {
  createGroup: {
    takes: ['tenant', 'id', 'label', 'document', 'search'],
    text: `with r as (
      insert into resources (tenant_id, id, resource_type, external_id, display_key, label, document, created_at, modified_at)
      values ($1, $2, 'Group', $3, $3, $3, $4, ${moment}, ${moment})
      returning id, document, created_at
    ), s as (
      insert into search_documents (tenant_id, resource_type, resource_id, search) values ($1, 'Group', $2, $5::text::jsonb)
    ), ${told(`select 'group.created', 'Group', r.id, 1, r.created_at, r.document, 1, 0 from r`)} select document from r`,
  },
  replaceMembers: {
    takes: ['tenant', 'id', 'members'],
    text: `with w as materialized (select x.id from unnest($3::text::uuid[]) x(id)
    ), a as (
      insert into memberships (tenant_id, group_id, member_id) select $1, $2, w.id from w
      where not exists (select 1 from memberships m where m.tenant_id = $1 and m.group_id = $2 and m.member_id = w.id)
      returning member_id
    ), d as (
      delete from memberships m where m.tenant_id = $1 and m.group_id = $2 and m.member_id not in (select w.id from w)
      returning member_id
    ), g as (
      update resources set version = version + 1, modified_at = ${moment}
      where tenant_id = $1 and id = $2 returning id, version, modified_at
    ), ${told(groupUpdated('group.member_added', 'array(select member_id from a union all select member_id from d)'))}
    select version::int as version from g`,
  },
  remove: {
    takes: ['tenant', 'id'],
    text: `with m as (
      delete from memberships where ctid = any (array(
        select n.ctid from memberships n where n.tenant_id = $1 and n.member_id = $2)) returning group_id
    ), s as (
      delete from search_documents where tenant_id = $1 and resource_type = 'User' and resource_id = $2
    ), r as (
      delete from resources where tenant_id = $1 and id = $2 returning id, version, document, active
    ), g as (
      update resources set version = version + 1, modified_at = ${moment}
      where tenant_id = $1 and id = any (array(select group_id from m)) returning id, version, modified_at
    ), ${told(
      `select 'user.deleted', 'User', r.id, r.version + 1, ${moment}, r.document, -1, -r.active::int from r
       union all ${groupUpdated('group.member_removed', 'array[$2::uuid]')}`,
    )} select id from r`,
  },
} satisfies Readonly<Record<string, Statement>>
