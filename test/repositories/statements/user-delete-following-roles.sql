with input as materialized (
  select * from jsonb_to_recordset($4::text::jsonb) as i(id uuid, expected bigint)
),
followed as materialized (
  select case when false then null else roles_by_membership($1::uuid, $5::uuid, null) end as roles
),
rules as materialized (select (f.roles is null or cardinality(f.roles) > (
      select count(*) from roles o where o.tenant_id = $1::uuid and o.id = any(f.roles)
    )) as has_rules from followed f),
target as materialized (
  -- In brackets: what is locked and deleted in one statement, Citus 13 reads in another format than it has written.
  select x.*, x.wanted and not x.overtaken as fits from (select l.*, not bool_and(l.version = l.seen) over () as overtaken from (
      -- The lock may have waited for another change. What this statement then sees of the resource's other rows is older.
      select r.id, r.version, (select o.version from resources o where o.tenant_id = $1::uuid and o.id = r.id) as seen,
        (i.expected is null or i.expected = r.version) and not (select has_rules from rules) as wanted
      from resources r join input i on i.id = r.id
      where r.tenant_id = $1::uuid and (r.resource_type = $6::text) is true
        and r.id = any(array(select id from input)) order by r.id for update of r
    ) l) x
),
unjoined as (
  delete from memberships m where (m.tenant_id = $1::uuid) is true and m.ctid = any(array(
      select n.ctid from target t cross join lateral (
        select n.ctid from memberships n where n.tenant_id = $1::uuid and n.member_id = t.id offset 0
      ) n where t.fits
      union
      select n.ctid from target t cross join lateral (
        select n.ctid from memberships n where n.tenant_id = $1::uuid and n.group_id = t.id offset 0
      ) n where t.fits
    ))
  returning m.group_id, m.member_id
),
removed as (
  delete from resources r using target t where r.tenant_id = $1::uuid and r.id = t.id and t.fits
  returning r.id, r.resource_type, r.version, r.document, r.active, r.unique_key, r.external_id, r.created_at
),
unsearched as (
  delete from search_documents s where (s.tenant_id = $1::uuid) is true and s.ctid = any(array(
      select d.ctid from removed x cross join lateral (
        select d.ctid from search_documents d
        where d.tenant_id = $1::uuid and d.resource_type = x.resource_type and d.resource_id = x.id offset 0
      ) d
    ))
),
new_version as (
  update resources r set version = r.version + 1, modified_at = greatest(date_trunc('milliseconds', now()), (r.modified_at at time zone 'UTC' + interval '1 millisecond') at time zone 'UTC')
  where r.tenant_id = $1::uuid and r.id = any(array(select distinct group_id from unjoined))
    and not r.id = any(array(select id from target where fits))
  returning r.id, r.version, r.modified_at
),
moved_roles as (
  update roles o set version = o.version + 1
  where o.tenant_id = $1::uuid and o.id = any((select roles from followed)::uuid[]) and exists (select 1 from removed)
  returning o.id, o.key, o.version
),
logged as (
  insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes,
      total_delta, active_delta)
  select $1::uuid, $7::text, x.resource_type, x.id, x.version + 1, $2::text, $3::text, date_trunc('milliseconds', now()),
    '{"before":' || case when x.active is null then x.document
    else left(x.document, -1) || ',"active":' || x.active || '}' end || '}', -1, -(x.resource_type = 'User' and x.active is distinct from false)::int
  from removed x
  union all
  select $1::uuid, 'group.member_removed', 'Group', b.id, b.version, $2::text, $3::text, b.modified_at,
    json_build_object('members', json_agg(u.member_id))::text, 0, 0
  from new_version b join (select *, (row_number() over (partition by group_id) - 1) / 1000 as batch from (select group_id, member_id from unjoined) moves) u on u.group_id = b.id
  group by b.id, b.version, b.modified_at, u.batch
  union all
  select $1::uuid, 'role.unassigned', 'Role', o.id, o.version, $2::text, $3::text, date_trunc('milliseconds', now()),
    json_build_object('role', o.key, 'users', json_build_array($5::uuid))::text, 0, 0
  from moved_roles o
  returning tenant_id, seq, resource_type, total_delta, active_delta
),
waiting as (
  insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta) select * from logged
)
select t.id::text, t.version::int, exists (select 1 from removed x where x.id = t.id) as removed,
  t.overtaken, (select has_rules from rules) as has_rules from target t;
