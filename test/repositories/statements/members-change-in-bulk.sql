with input as materialized (select ord, group_id, expected, clear, counted, refused, array(select jsonb_array_elements_text(j.add)::uuid) as add, array(select jsonb_array_elements_text(j.remove)::uuid) as remove, array(select jsonb_array_elements_text(j.displays)) as displays, array(select jsonb_array_elements_text(j.display_keys)) as display_keys
  from jsonb_to_recordset($2::text::jsonb) as j(ord int, group_id uuid, expected bigint, clear boolean, counted boolean,
      refused boolean, add jsonb, displays jsonb, display_keys jsonb, remove jsonb, strange jsonb, strange_displays jsonb, strange_removed jsonb)),
target as materialized (
  select r.id, r.version, r.modified_at from resources r
  where r.tenant_id = $1::uuid and (r.resource_type = 'Group') is true and r.id = any(array(select group_id from input))
  order by r.id for no key update
),
wanted as materialized (
  select i.ord, i.group_id, w.id, w.display, w.display_key, o.id is not null as known
  from input i cross join lateral unnest(i.add, i.displays, i.display_keys) as w(id, display, display_key)
  left join lateral (select o.id from resources o
    where o.tenant_id = $1::uuid and o.id = w.id and (o.resource_type in ('User', 'Group')) is true limit 1) o on true
),
rules as materialized (select exists (
    select 1 from tenants t join environments e on e.id = t.environment_id where t.id = $1::uuid and (
        jsonb_array_length(coalesce(t.settings->'roleRules', e.settings->'roleRules', '[]')) > 0
        or t.ends_roles or e.ends_roles
    )
  ) as has_rules),
applied as materialized (
  select i.* from input i join target t on t.id = i.group_id
  where (i.expected is null or i.expected = t.version) and not i.refused and not exists (select 1 from wanted w where w.ord = i.ord and not w.known) and not (select has_rules from rules)
),
added as (
  insert into memberships (tenant_id, group_id, member_id, display, display_key)
  select distinct on (w.group_id, w.id) $1::uuid, w.group_id, w.id, w.display, w.display_key
  from applied g join wanted w on w.ord = g.ord where w.known
  on conflict do nothing returning group_id, member_id
),
removed as (
  delete from memberships m where (m.tenant_id = $1::uuid) is true and m.ctid = any(array(
      select y.ctid from (
        select g.group_id, x.id from applied g cross join lateral unnest(g.remove) as x(id)
      ) x cross join lateral (
        select n.ctid from memberships n
        where n.tenant_id = $1::uuid and n.group_id = x.group_id and n.member_id = x.id limit 1
      ) y
    ))
  returning m.group_id, m.member_id
),
moved as materialized (
  select 'group.member_added' as type, group_id, member_id::text from added
  union all select 'group.member_removed', group_id, member_id::text from removed
),
new_version as (
  update resources r set version = r.version + 1, modified_at = greatest(date_trunc('milliseconds', now()), (r.modified_at at time zone 'UTC' + interval '1 millisecond') at time zone 'UTC')
  where r.tenant_id = $1::uuid and r.id = any(array(select distinct group_id from moved))
  returning r.id, r.version, r.modified_at
),
standing as (
  select id, version, modified_at from new_version
),
logged as (
  insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes,
      total_delta, active_delta)
  select $1::uuid, x.type, 'Group', b.id, b.version, $3::text, $4::text, b.modified_at,
    json_build_object('members', json_agg(x.member_id))::text, 0, 0
  from (select *, (row_number() over (partition by group_id, type) - 1) / 1000 as batch from (select * from moved) moves) x join standing b on b.id = x.group_id
  group by b.id, b.version, b.modified_at, x.type, x.batch order by x.type, x.batch
  returning tenant_id, seq, resource_type, total_delta, active_delta
),
waiting as (
  insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta) select * from logged
)
select t.version::int as before, b.version::int as after, i.expected is null or i.expected = t.version as fits,
  (select count(*) from (
    select 1 from memberships m where m.tenant_id = $1::uuid and m.group_id = i.group_id
    order by m.member_id limit 21
  ) m) + cardinality(i.add) <= 20 as small,
  (select string_agg(w.id::text, ' ') from (select id from wanted w where w.ord = i.ord and not w.known limit 5) w) as unknown,
  (select has_rules from rules) as has_rules
from input i left join target t on t.id = i.group_id left join new_version b on b.id = i.group_id order by i.ord;
