import { type Statement, type Writes, withLanguage } from './ceiling-sql.ts'

// The least that a write needs: one row with its primary key, a unique name and two look-ups, and one event row with its primary
// key, in one statement. No other index, no reference to another table. The tables are the benchmark's own.

const moment = `date_trunc('milliseconds', now())`

/**
 * Makes the tables. `storage` is how the gateway's resources are stored, such as ` with (fillfactor=70)`. The columns stand in
 * the order that the gateway's have. So a row is as cheap to change as the gateway's.
 */
export const bareTables = (storage: string): string => `
  create schema bare;
  create table bare.resources (
    tenant_id uuid not null, id uuid not null, created_at timestamptz(3) not null, version bigint not null default 1,
    modified_at timestamptz(3) not null, active boolean, external_id text collate "C", unique_key text collate "C",
    display_key text collate "C", document text not null)${storage};
  create table bare.memberships (tenant_id uuid not null, group_id uuid not null, member_id uuid not null);
  create table bare.events (
    tenant_id uuid not null, seq bigint not null generated always as identity, id uuid not null default gen_random_uuid(),
    type text not null, resource_type text not null, resource_id uuid not null, version bigint not null,
    occurred_at timestamptz(3) not null, changes text not null, request_id text not null, actor text not null,
    primary key (tenant_id, seq));`

/** Copies what the tenants `$1` have. */
export const bareRows: readonly string[] = [
  `insert into bare.resources
   select tenant_id, id, created_at, version, modified_at, active, external_id, unique_key, display_key, document
   from resources where tenant_id = any($1::text::uuid[]) order by tenant_id, id`,
  `insert into bare.memberships
   select tenant_id, group_id, member_id from memberships where tenant_id = any($1::text::uuid[])`,
]

/** Made after the rows, which is several times as fast. */
export const bareIndexes = `
  alter table bare.resources add primary key (tenant_id, id);
  create unique index on bare.resources (tenant_id, unique_key);
  create index on bare.resources (tenant_id, external_id);
  create index on bare.resources (tenant_id, display_key);
  alter table bare.memberships add primary key (tenant_id, group_id, member_id);`

/** `events` is a query of type, resource_type, resource_id, version, occurred_at and changes. */
const logged = (events: string): string => `logged as (
    insert into bare.events (tenant_id, type, resource_type, resource_id, version, occurred_at, changes, request_id, actor)
    select $1::uuid, x.*, 'bench', 'bench' from (${events}) x
  )`

const columns = 'tenant_id, id, unique_key, external_id, display_key, active, document, created_at, modified_at'
const created = `select 'user.created', 'User', r.id, 1, r.created_at, r.document from r`

/** Changes one user and tells of `path`. */
const update = (takes: Statement['takes'], set: string, path: string): Statement => ({
  takes: ['tenant', 'id', ...takes],
  text: `with r as (
    update bare.resources set ${set}, version = version + 1, modified_at = ${moment}
    where tenant_id = $1 and id = $2 returning id, version, modified_at, document
  ), ${logged(
    `select 'user.updated', 'User', r.id, r.version, r.modified_at, '{"changed":[{"path":"${path}"}]}' from r`,
  )} select document from r`,
})

/** The writes of the bare ceiling. */
export const bare = {
  create: {
    takes: ['tenant', 'id', 'uniqueKey', 'externalId', 'displayKey', 'document'],
    text: `with r as (
      insert into bare.resources (${columns}) values ($1, $2, $3, $4, $5, true, $6, ${moment}, ${moment})
      returning id, document, created_at
    ), ${logged(created)} select document from r`,
  },
  createMany: {
    takes: ['tenant', 'bareRows'],
    text: `with r as (
      insert into bare.resources (${columns})
      select $1, id, unique_key, external_id, display_key, true, document, ${moment}, ${moment}
      from jsonb_to_recordset($2::text::jsonb) i(id uuid, external_id text, unique_key text, display_key text, document text)
      returning id, document, created_at
    ), ${logged(created)} select id from r`,
  },
  setActive: update(['active'], 'active = $3::boolean', 'active'),
  setLanguage: update(['language'], `document = ${withLanguage('$3::text')}`, 'preferredLanguage'),
  replace: update(['document'], 'document = $3', 'nickName'),
  changeMembers: {
    takes: ['tenant', 'id', 'add', 'remove'],
    text: `with r as (
      update bare.resources set version = version + 1, modified_at = ${moment}
      where tenant_id = $1 and id = $2 returning id, version, modified_at
    ), a as (
      insert into bare.memberships (tenant_id, group_id, member_id) select $1, $2, x from unnest($3::text::uuid[]) x
      on conflict do nothing
    ), d as (
      delete from bare.memberships where ctid = any (array(
        select m.ctid from unnest($4::text::uuid[]) x(id) cross join lateral (
          select n.ctid from bare.memberships n where n.tenant_id = $1 and n.group_id = $2 and n.member_id = x.id limit 1) m))
    ), ${logged(
      `select 'group.member_added', 'Group', r.id, r.version, r.modified_at,
         json_build_object('members', array_cat($3::text::uuid[], $4::text::uuid[]))::text from r`,
    )} select version::int as version from r`,
  },
} satisfies Writes
