// One statement for each kind of work, as plain as it can be: the same rows and indexes as the gateway's, and nothing else.
// Each is written so that its generic plan is the best one at any size; the planner thinks little of jsonb and of arrays.

const user = `tenant_id = $1 and resource_type = 'User'`
const moment = `date_trunc('milliseconds', now())`
/** An event for each of the rows, which waits for its position. @param counts by how many it raises totals and active users */
const logged = (rows: string, counts = '0, 0') => `e as (
    insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
    ${rows} returning tenant_id, seq, resource_type
  ), waiting as (
    insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta)
    select tenant_id, seq, resource_type, ${counts} from e
  )`

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

/** `$1` tenant, `$2` id, `$3` externalId, `$4` userName folded, `$5` displayName folded, `$6` displayName, `$7` document, `$8` search. */
export const createUser = `with r as (
    insert into resources (tenant_id, id, resource_type, external_id, unique_key, display_key, label, active, document,
      created_at, modified_at)
    values ($1, $2, 'User', $3, $4, $5, $6, true, $7, ${moment}, ${moment})
    returning tenant_id, id, document, created_at
  ), s as (
    insert into search_documents (tenant_id, resource_type, resource_id, search) values ($1, 'User', $2, $8::text::jsonb)
  ), ${logged(`select r.tenant_id, 'user.created', 'User', r.id, 1, 'bench', 'bench', r.created_at, r.document from r`, '1, 1')}
  select document from r`

/** `$1` tenant, `$2` id, `$3` displayName, `$4` document, `$5` search. */
export const createGroup = `with r as (
    insert into resources (tenant_id, id, resource_type, external_id, display_key, label, document, created_at, modified_at)
    values ($1, $2, 'Group', $3, $3, $3, $4, ${moment}, ${moment})
    returning tenant_id, id, document, created_at
  ), s as (
    insert into search_documents (tenant_id, resource_type, resource_id, search) values ($1, 'Group', $2, $5::text::jsonb)
  ), ${logged(`select r.tenant_id, 'group.created', 'Group', r.id, 1, 'bench', 'bench', r.created_at, r.document from r`, '1, 0')}
  select document from r`

/** `$1` tenant, `$2` rows as a JSON array. */
export const createMany = `with i as (
    select * from jsonb_to_recordset($2::text::jsonb) i(id uuid, external_id text, unique_key text, display_key text, label text,
      document text, search jsonb)
  ), r as (
    insert into resources (tenant_id, id, resource_type, external_id, unique_key, display_key, label, active, document,
      created_at, modified_at)
    select $1, id, 'User', external_id, unique_key, display_key, label, true, document, ${moment}, ${moment} from i
    returning tenant_id, id, document, created_at
  ), s as (
    insert into search_documents (tenant_id, resource_type, resource_id, search) select $1, 'User', i.id, i.search from i
  ), ${logged(`select r.tenant_id, 'user.created', 'User', r.id, 1, 'bench', 'bench', r.created_at, r.document from r`, '1, 1')}
  select id from r`

/** `$1` tenant, `$2` id, `$3` active. */
export const setActive = `with r as (
    update resources set active = $3, version = version + 1, modified_at = ${moment}
    where tenant_id = $1 and id = $2 returning id, version, modified_at, document
  ), ${logged(`select $1, 'user.deactivated', 'User', r.id, r.version, 'bench', 'bench', r.modified_at,
      '{"changed":[{"path":"active"}]}' from r`)}
  select document from r`

/** `$1` tenant, `$2` id, `$3` document, `$4` search. */
export const replaceUser = `with r as (
    update resources set document = $3, version = version + 1, modified_at = ${moment}
    where tenant_id = $1 and id = $2 returning id, version, modified_at, document
  ), s as (
    update search_documents set search = $4::text::jsonb where tenant_id = $1 and resource_type = 'User' and resource_id = $2
  ), ${logged(`select $1, 'user.updated', 'User', r.id, r.version, 'bench', 'bench', r.modified_at,
      '{"changed":[{"path":"nickName"}]}' from r`)}
  select document from r`

/** `$1` tenant, `$2` group, `$3` ids to add, `$4` ids to remove. */
export const changeMembers = `with r as (
    update resources set version = version + 1, modified_at = ${moment}
    where tenant_id = $1 and id = $2 returning id, version, modified_at
  ), a as (
    insert into memberships (tenant_id, group_id, member_id) select $1, $2, x from unnest($3::text::uuid[]) x
    on conflict do nothing
  ), d as (
    delete from memberships where ctid = any (array(
      select m.ctid from unnest($4::text::uuid[]) x(id) cross join lateral (
        select n.ctid from memberships n where n.tenant_id = $1 and n.group_id = $2 and n.member_id = x.id limit 1) m))
  ), ${logged(`select $1, 'group.member_added', 'Group', r.id, r.version, 'bench', 'bench', r.modified_at,
      json_build_object('members', array_cat($3::text::uuid[], $4::text::uuid[]))::text from r`)}
  select version::int as version from r`

/** `$1` tenant, `$2` group, `$3` ids of all members. */
export const replaceMembers = `with w as materialized (select x.id from unnest($3::text::uuid[]) x(id)
  ), a as (
    insert into memberships (tenant_id, group_id, member_id) select $1, $2, w.id from w
    where not exists (select 1 from memberships m where m.tenant_id = $1 and m.group_id = $2 and m.member_id = w.id)
    returning member_id
  ), d as (
    delete from memberships m where m.tenant_id = $1 and m.group_id = $2 and m.member_id not in (select w.id from w)
    returning member_id
  ), r as (
    update resources set version = version + 1, modified_at = ${moment}
    where tenant_id = $1 and id = $2 returning id, version, modified_at
  ), ${logged(`select $1, 'group.member_added', 'Group', r.id, r.version, 'bench', 'bench', r.modified_at,
      json_build_object('members', array(select member_id from a union all select member_id from d))::text from r`)}
  select version::int as version from r`
