with followed as materialized (
  select case when exists (
    select 1 from resources o where o.tenant_id = $1::uuid and o.id = $3::uuid and o.resource_type = 'Group'
  ) or exists (
    select 1 from resources g where g.tenant_id = $1::uuid and g.id = $2::uuid and exists (
      select 1 from unnest($5::text::text[], $6::text::text[], $7::text::text[]) as i(rule, pattern, external_id)
      where (g.display_key like i.pattern or g.external_id = i.external_id) and not exists (
        select 1 from role_bindings b where b.tenant_id = $1::uuid and b.group_id = g.id and b.rule = i.rule
      )
    )
  ) then null else roles_by_membership($1::uuid, $3::uuid, $2::uuid) end as roles
),
checked as materialized (
  select r.id, r.version, $4::bigint is null or $4::bigint = r.version as fits, true as known,
    (f.roles is null or cardinality(f.roles) > (
      select count(*) from roles o where o.tenant_id = $1::uuid and o.id = any(f.roles)
    )) as has_rules
  from followed f cross join resources r where r.tenant_id = $1::uuid and r.id = $2::uuid and (r.resource_type = 'Group') is true
  for no key update of r
),
moved as (delete from memberships m
  where m.tenant_id = $1::uuid and m.group_id = (select c.id from checked c where c.fits and c.known and not c.has_rules) and m.member_id = $3::uuid returning m.group_id),
new_version as (
  update resources r set version = r.version + 1, modified_at = greatest(date_trunc('milliseconds', now()), (r.modified_at at time zone 'UTC' + interval '1 millisecond') at time zone 'UTC')
  where r.tenant_id = $1::uuid and r.id = (select group_id from moved)
  returning r.id, r.version, r.modified_at
),
moved_roles as (
  update roles o set version = o.version + 1
  where o.tenant_id = $1::uuid and o.id = any((select roles from followed)::uuid[]) and exists (select 1 from moved)
  returning o.id, o.key, o.version
),
logged as (
  insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes,
      total_delta, active_delta)
  select $1::uuid, 'group.member_removed', 'Group', b.id, b.version, $8::text, $9::text, b.modified_at,
    json_build_object('members', json_build_array($3::uuid))::text, 0, 0
  from new_version b
  union all
  select $1::uuid, 'role.unassigned', 'Role', o.id, o.version, $8::text, $9::text, date_trunc('milliseconds', now()),
    json_build_object('role', o.key, 'users', json_build_array($3::uuid))::text, 0, 0
  from moved_roles o
  returning tenant_id, seq, resource_type, total_delta, active_delta
),
waiting as (
  insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta) select * from logged
)
select c.version::int as before, (select version from new_version)::int as after, c.fits, c.has_rules,
  case when c.known then null else $3::uuid::text end as unknown,
  not exists (
  select 1 from memberships m where m.tenant_id = $1::uuid and m.group_id = $2::uuid
  order by m.member_id offset 20 limit 1
) as small
from checked c;

select r.id::text || case when r.active then 't' when not r.active then 'f' else '-' end
  || case when r.password_hash is null then '-' else 'p' end
  || (date_part('epoch', r.created_at) * 1000)::bigint::text || ' ' || (date_part('epoch', r.modified_at) * 1000)::bigint::text || ' '
  || r.version::text || r.document as packed,
  case when r.resource_type = 'Group' then (
  select '[' || string_agg(x.json, ',') || case when count(*) < 1000 then ']' else '' end
  from (select '{"value":"' || o.id || '","$ref":"' || $2::text
      || case o.resource_type when 'Group' then '/Groups/' else '/Users/' end || o.id
      || '","type":"' || o.resource_type || '"'
      || coalesce(',"display":' || to_json(coalesce(case when o.display_key is not null then o.label end, m.display, o.label))::text, '') || '}' as json
    from memberships m cross join lateral (
      select o.id, o.resource_type, o.label, o.display_key from resources o
      where o.tenant_id = $1::uuid and o.id = m.member_id offset 0
    ) o
    where m.tenant_id = $1::uuid and m.group_id = r.id
    order by m.member_id limit 1000) x
) end as members from resources r
where r.tenant_id = $1::uuid and r.id = any($3::text::uuid[]) and r.resource_type = $4::text;
