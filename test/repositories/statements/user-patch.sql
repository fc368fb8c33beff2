select r.id::text || case when r.active then 't' when not r.active then 'f' else '-' end
  || case when r.password_hash is null then '-' else 'p' end
  || (date_part('epoch', r.created_at) * 1000)::bigint::text || ' ' || (date_part('epoch', r.modified_at) * 1000)::bigint::text || ' '
  || r.version::text || r.document as packed, case when r.manager_id is not null then (
  select case when m.display_key is null then '' else m.label end
  from resources m where m.tenant_id = $1::uuid and m.id = r.manager_id) end as manager,
  case when r.resource_type = 'User'
  and exists (select 1 from memberships m where m.tenant_id = $1::uuid and m.member_id = r.id offset 0)
  then (
  select '[' || string_agg('{"value":"' || g.id || '","$ref":"' || $2::text || '/Groups/' || g.id || '"' || coalesce(',"display":' || to_json(g.label)::text, '')
      || case when u.direct then ',"type":"direct"}' else ',"type":"indirect"}' end, ',' order by g.id) || ']'
  from (
    with recursive up(group_id, direct) as (
      select m.group_id, true from memberships m where m.tenant_id = $1::uuid and m.member_id = r.id
      union
      select above.group_id, false from up cross join lateral (select m.group_id from memberships m where m.tenant_id = $1::uuid and m.member_id = up.group_id offset 0) above
    )
    select group_id, bool_or(direct) as direct from up group by group_id
  ) u
  cross join lateral (
    select g.id, g.label from resources g where g.tenant_id = $1::uuid and g.id = u.group_id offset 0
  ) g
) end as groups from resources r
where r.tenant_id = $1::uuid and r.id = any($3::text::uuid[]) and r.resource_type = $4::text;

with input as not materialized (select $2::uuid as id, $3::bigint as expected,
    $4::text as password_hash, $5::text as resource_type,
    $6::text as external_id, $7::text as unique_key,
    $8::text as display_key, $9::text as label,
    $10::boolean as active, $11::uuid as manager_id,
    $12::text as document, $13::text::jsonb as search,
    $14::text::jsonb as events
),
updated as (
  update resources r set version = r.version + 1, external_id = i.external_id, unique_key = i.unique_key,
    display_key = i.display_key, label = i.label, active = i.active, manager_id = i.manager_id,
    document = i.document, password_hash = nullif(coalesce(i.password_hash, r.password_hash), ''),
    modified_at = greatest(date_trunc('milliseconds', now()), (r.modified_at at time zone 'UTC' + interval '1 millisecond') at time zone 'UTC')
  from input i
  where r.tenant_id = $1::uuid and r.id = i.id  and (r.resource_type = i.resource_type) is true and r.version = i.expected
  returning r.id, r.resource_type, r.version, r.modified_at, r.created_at, r.manager_id
),
searched as (
  update search_documents s set search = n.search
  from (
    select d.ctid, i.search from updated u join input i on i.id = u.id cross join lateral (
      select d.ctid from search_documents d where d.tenant_id = $1::uuid and d.resource_type = u.resource_type
        and d.resource_id = u.id and d.search is distinct from i.search offset 0
    ) d
  ) n
  where (s.tenant_id = $1::uuid) is true and s.ctid = n.ctid
),
logged as (
  insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes,
      total_delta, active_delta)
  select $1::uuid, e.type, u.resource_type, u.id, u.version, $15::text, $16::text, u.modified_at,
    e.changes::text, 0, e.active_delta
  from updated u join input i on i.id = u.id
  cross join lateral jsonb_to_recordset(i.events) as e(type text, changes jsonb, active_delta int)
  returning tenant_id, seq, resource_type, total_delta, active_delta
),
waiting as (
  insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta) select * from logged
)
select r.id::text, r.version::int, date_part('epoch', r.created_at) * 1000 as created, date_part('epoch', r.modified_at) * 1000 as modified, case when r.manager_id is not null then (
  select case when m.display_key is null then '' else m.label end
  from resources m where m.tenant_id = $1::uuid and m.id = r.manager_id) end as manager from updated r;
