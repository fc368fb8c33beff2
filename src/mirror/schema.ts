import type { MirrorDatabase } from './database.ts'
import { type ColumnType, MirrorRefused, type Transaction } from './types.ts'

/** Each step brings the tables from one version to the next; `s` is the schema's name, quoted. A released step never changes. */
const STEPS: readonly ((s: string) => string)[] = [
  (s) => `
create table ${s}.state (
  only_one boolean primary key default true check (only_one),
  source text not null,
  cursor text,
  revision bigint not null default 0,
  seen_at timestamptz,
  event_time timestamptz,
  lag_ms bigint,
  trouble text
);
create table ${s}.tenants (
  id uuid primary key,
  key text,
  name text,
  deleted_at timestamptz,
  position bigint,
  has_mapping boolean not null default false,
  listed boolean not null default true,
  wanted bigint not null default 0,
  reading bigint not null default 0
);
create table ${s}.users (
  tenant_id uuid not null references ${s}.tenants (id) on delete cascade,
  id uuid not null,
  user_name text,
  external_id text,
  display_name text,
  email text,
  active boolean not null,
  account text,
  attributes jsonb,
  mapped jsonb,
  version bigint not null,
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (tenant_id, id)
);
create index on ${s}.users (tenant_id, lower(user_name));
create index on ${s}.users (tenant_id, lower(email));
create index on ${s}.users (tenant_id, external_id);
create table ${s}.groups (
  tenant_id uuid not null references ${s}.tenants (id) on delete cascade,
  id uuid not null,
  display_name text,
  external_id text,
  attributes jsonb,
  version bigint not null,
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (tenant_id, id)
);
create index on ${s}.groups (tenant_id, display_name);
create table ${s}.memberships (
  tenant_id uuid not null,
  group_id uuid not null,
  user_id uuid not null,
  reading bigint not null,
  primary key (tenant_id, group_id, user_id),
  foreign key (tenant_id, group_id) references ${s}.groups (tenant_id, id) on delete cascade,
  foreign key (tenant_id, user_id) references ${s}.users (tenant_id, id) on delete cascade
);
create index on ${s}.memberships (tenant_id, user_id);
create table ${s}.other_members (
  tenant_id uuid not null,
  group_id uuid not null,
  member text not null,
  reading bigint not null,
  primary key (tenant_id, group_id, member),
  foreign key (tenant_id, group_id) references ${s}.groups (tenant_id, id) on delete cascade
);
create index on ${s}.other_members (tenant_id, member);
create table ${s}.roles (
  tenant_id uuid not null,
  user_id uuid not null,
  role text not null,
  reading bigint not null,
  primary key (tenant_id, user_id, role),
  foreign key (tenant_id, user_id) references ${s}.users (tenant_id, id) on delete cascade
);
create index on ${s}.roles (tenant_id, role);
create table ${s}.outbox (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  change jsonb not null
);
create function ${s}.texts(list jsonb) returns text[] language sql immutable parallel safe as
  $$ select case when jsonb_typeof(list) = 'array' then array(select jsonb_array_elements_text(list)) end $$;`,
  // What the outbox tells of somebody is found when that person is gone.
  (s) => `
create index outbox_people on ${s}.outbox ((change ->> 'tenant'), (change -> 'user' ->> 'id'))
  where change ->> 'kind' in ('user.added', 'user.changed');
update ${s}.outbox o set change = ${nobodyIn('o.change')} where o.change ->> 'kind' in ('user.added', 'user.changed') and not exists (
  select 1 from ${s}.users u where u.tenant_id = (o.change ->> 'tenant')::uuid and u.id = (o.change -> 'user' ->> 'id')::uuid
    and u.deleted_at is null
);`,
]

/** A change of a user in the outbox as it is once the user is gone: the id alone. */
export function nobodyIn(change: string): string {
  const id = `${change} -> 'user' -> 'id'`
  return `jsonb_set(${change}, '{user}', jsonb_build_object('id', ${id}, 'userName', ${id}, 'externalId', null, 'displayName', null,
    'email', null, 'active', false, 'account', null, 'attributes', '{}'::jsonb, 'mapped', null))`
}

/** A value of another type than the column's is null there: a mapping may change before the columns do. */
const COLUMNS: Readonly<
  Record<ColumnType, { readonly type: string; readonly from: (s: string, value: string) => string }>
> = {
  text: { type: 'text', from: (_, value) => `${value} #>> '{}'` },
  number: { type: 'numeric', from: (_, value) => ofType(value, 'number', 'numeric') },
  boolean: { type: 'boolean', from: (_, value) => ofType(value, 'boolean', 'boolean') },
  list: { type: 'text[]', from: (s, value) => `${s}.texts(${value})` },
}
const ofType = (value: string, json: string, type: string): string =>
  `case when jsonb_typeof(${value}) = '${json}' then (${value} #>> '{}')::${type} end`

/** Columns of `users` that a mapped value must not have the name of. */
const OWN_COLUMNS = [
  ...['tenant_id', 'id', 'user_name', 'external_id', 'display_name', 'email', 'active', 'account', 'attributes'],
  ...['mapped', 'version', 'updated_at', 'deleted_at'],
]

/**
 * Makes the schema, or brings it up to date, with the columns of mapped values. Several may do so at a time.
 *
 * @throws {MirrorRefused} where the schema mirrors something else, or is of a newer release
 */
export async function migrateMirror(
  { schema: s, transaction }: MirrorDatabase,
  source: string,
  columns: Readonly<Record<string, ColumnType>>,
): Promise<void> {
  for (const name of Object.keys(columns)) {
    if (!/^[A-Za-z_][\w]{0,62}$/.test(name)) throw new MirrorRefused(`"${name}" is no name for a column`)
    if (OWN_COLUMNS.includes(name))
      throw new MirrorRefused(`a column ${name} is there already: map the value to another name`)
  }
  await transaction(async (tx) => {
    await tx.query(`select pg_advisory_xact_lock(hashtext('rollcall mirror schema'), hashtext($1))`, [s])
    const [there] = await tx.query(`select 1 from pg_namespace where quote_ident(nspname) = quote_ident($1)`, [
      s.slice(1, -1),
    ])
    // Who may not make schemas has one made beforehand.
    if (there === undefined) await tx.query(`create schema ${s}`)
    await tx.query(
      `create table if not exists ${s}.versions (version int primary key, applied_at timestamptz not null default now())`,
    )
    const [row] = await tx.query<{ version: number | null }>(`select max(version) as version from ${s}.versions`)
    const version = row?.version ?? 0
    if (version > STEPS.length)
      throw new MirrorRefused(
        `the schema ${s} is of a newer release: version ${version}, where this one knows ${STEPS.length}`,
      )
    for (const [i, step] of STEPS.entries()) {
      if (i < version) continue
      for (const statement of step(s).split(/;\n/)) await tx.query(statement)
      await tx.query(`insert into ${s}.versions (version) values ($1::int)`, [i + 1])
    }
    await tx.query(`insert into ${s}.state (source) values ($1) on conflict do nothing`, [source])
    const [state] = await tx.query<{ source: string }>(`select source from ${s}.state`)
    if (state?.source !== source)
      throw new MirrorRefused(`the schema ${s} mirrors ${state?.source}, not ${source}: name another schema`)
    await addColumns(tx, s, columns)
  })
}

/** A column that is there with another type is made anew; one that is named no longer stays, and stays right. */
async function addColumns(tx: Transaction, s: string, columns: Readonly<Record<string, ColumnType>>): Promise<void> {
  const rows = await tx.query<{ name: string; type: string }>(
    `select a.attname as name, format_type(a.atttypid, null) as type from pg_attribute a
     where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped`,
    [`${s}.users`],
  )
  const types = new Map(rows.map(({ name, type }) => [name, type]))
  for (const [name, kind] of Object.entries(columns)) {
    const { type, from } = COLUMNS[kind]
    if (types.get(name) === type) continue
    const drop = types.has(name) ? `drop column "${name}", ` : ''
    await tx.query(
      `alter table ${s}.users ${drop}add column "${name}" ${type} generated always as (${from(s, `(mapped -> '${name}')`)}) stored`,
    )
  }
}
