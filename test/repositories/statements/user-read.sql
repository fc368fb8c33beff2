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
