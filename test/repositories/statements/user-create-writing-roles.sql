with input as not materialized (select 0 as ord, $4::uuid as id, $5::text as event,
    $6::text as password_hash, $7::text as resource_type,
    $8::text as external_id, $9::text as unique_key,
    $10::text as display_key, $11::text as label,
    $12::boolean as active, $13::uuid as manager_id,
    $14::text as document, $15::text::jsonb as search
    , $16::text::jsonb as given),
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
moved_roles as materialized (
  select n.id as user_id, m.* from (select c.id, i.given from created c join input i on i.id = c.id) n cross join lateral write_roles($1::uuid, n.id, n.given, '[]') m
),
logged as (
  insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes,
      total_delta, active_delta)
  select $1::uuid, i.event, c.resource_type, c.id, c.version, $2::text, $3::text, c.modified_at,
    '{"after":' || case when c.active is null then c.document
    else left(c.document, -1) || ',"active":' || c.active || '}' end || '}', 1, (c.resource_type = 'User' and c.active is distinct from false)::int
  from created c join input i on i.id = c.id
  union all
  select $1::uuid, m.event, 'Role', m.role_id, m.role_version, $2::text, $3::text, date_trunc('milliseconds', now()),
    json_build_object('role', m.role_key, 'users', json_build_array(m.user_id), 'attribute', m.attribute)::text, 0, 0
  from moved_roles m
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
