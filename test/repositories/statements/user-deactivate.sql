with before as materialized (
  select r.* from resources r where r.tenant_id = $1::uuid and r.id = $3::uuid
    and r.resource_type = $4::text for no key update
),
updated as (
  update resources r set active = $2::boolean, version = r.version + 1,
    modified_at = greatest(date_trunc('milliseconds', now()), (r.modified_at at time zone 'UTC' + interval '1 millisecond') at time zone 'UTC')
  from before b where r.tenant_id = $1::uuid and r.id = b.id and b.active is distinct from $2::boolean
  returning r.id, r.resource_type, r.version, r.modified_at, b.active as was
),
logged as (
  insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes,
      total_delta, active_delta)
  select $1::uuid, case when not $2::boolean then 'user.deactivated'
    when u.was is null then 'user.updated' else 'user.activated' end, u.resource_type, u.id, u.version, $5::text, $6::text, u.modified_at,
    json_build_object('changed', json_build_array(
        json_build_object('path', 'active', 'before', u.was, 'after', $2::boolean)))::text, 0, $2::boolean::int - (u.was is distinct from false)::int
  from updated u
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
  from resources m where m.tenant_id = $1::uuid and m.id = r.manager_id) end as manager,
  case when r.resource_type = 'User'
  and exists (select 1 from memberships m where m.tenant_id = $1::uuid and m.member_id = r.id offset 0)
  then (
  select '[' || string_agg('{"value":"' || g.id || '","$ref":"' || $7::text || '/Groups/' || g.id || '"' || coalesce(',"display":' || to_json(g.label)::text, '')
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
) end as groups from (
  select b.tenant_id, b.id, b.resource_type, coalesce(u.version, b.version) as version, b.document, $2::boolean as active,
    b.password_hash, b.manager_id, b.created_at, coalesce(u.modified_at, b.modified_at) as modified_at
  from before b left join updated u on true
) r;
