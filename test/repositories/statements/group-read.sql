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
