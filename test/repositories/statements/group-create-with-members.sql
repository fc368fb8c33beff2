-- in a transaction
with input as not materialized (select 0 as ord, $4::uuid as id, $5::text as event,
    $6::text as password_hash, $7::text as resource_type,
    $8::text as external_id, $9::text as unique_key,
    $10::text as display_key, $11::text as label,
    $12::boolean as active, $13::uuid as manager_id,
    $14::text as document, $15::text::jsonb as search
),
created as (
  insert into resources (tenant_id, id, resource_type, external_id, unique_key, display_key, label, active,
      manager_id, document, password_hash, version, created_at, modified_at)
  select $1::uuid, i.id, i.resource_type, i.external_id, i.unique_key, i.display_key, i.label, i.active,
    i.manager_id, i.document, i.password_hash,
    1, date_trunc('milliseconds', now()), (select date_trunc('milliseconds', now()) from tenants t where t.id = $1::uuid and not t.deleting)
  from input i order by i.ord
  on conflict (tenant_id, resource_type, unique_key) do nothing
  returning *
),
searched as (
  insert into search_documents (tenant_id, resource_type, resource_id, search)
  select $1::uuid, c.resource_type, c.id, i.search from created c join input i on i.id = c.id
),
logged as (
  insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes,
      total_delta, active_delta)
  select $1::uuid, i.event, c.resource_type, c.id, c.version, $2::text, $3::text, c.modified_at,
    '{"after":' || case when c.active is null then c.document
    else left(c.document, -1) || ',"active":' || c.active || '}' end || '}', 1, (c.resource_type = 'User' and c.active is distinct from false)::int
  from created c join input i on i.id = c.id
  returning tenant_id, seq, resource_type, total_delta, active_delta
),
waiting as (
  insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta) select * from logged
)
select r.id::text || case when r.active then 't' when not r.active then 'f' else '-' end
  || case when r.password_hash is null then '-' else 'p' end
  || (date_part('epoch', r.created_at) * 1000)::bigint::text || ' ' || (date_part('epoch', r.modified_at) * 1000)::bigint::text || ' '
  || r.version::text || r.document as packed, case when r.manager_id is not null then (
  select case when m.display_key is null then '' else m.label end
  from resources m where m.tenant_id = $1::uuid and m.id = r.manager_id) end as manager
from input i left join created r on r.id = i.id order by i.ord;

-- in a transaction
with input as materialized (select 0 as ord, $2::uuid as group_id, $3::bigint as expected,
    $4::boolean as clear, $5::boolean as counted, $6::boolean as refused,
    $7::text::uuid[] as add, $8::text::uuid[] as remove, $9::text::text[] as displays, $10::text::text[] as display_keys),
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
  where r.tenant_id = $1::uuid and r.id = any(array(select distinct group_id from moved)) and r.id not in (select group_id from applied where counted)
  returning r.id, r.version, r.modified_at
),
standing as (
  select id, version, modified_at from new_version
  union all select t.id, t.version, t.modified_at from target t join applied g on g.group_id = t.id where g.counted
),
logged as (
  insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes,
      total_delta, active_delta)
  select $1::uuid, x.type, 'Group', b.id, b.version, $11::text, $12::text, b.modified_at,
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

-- in a transaction
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
