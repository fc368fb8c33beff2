select r.id::text || case when r.active then 't' when not r.active then 'f' else '-' end
  || case when r.password_hash is null then '-' else 'p' end
  || (date_part('epoch', r.created_at) * 1000)::bigint::text || ' ' || (date_part('epoch', r.modified_at) * 1000)::bigint::text || ' '
  || r.version::text || r.document as packed, c.text
from resources r left join lateral (
  select n.place, string_agg(n.json, ',') as text
  from (select x.json, (row_number() over () - 1) / 250 as place from (
        (select '{"value":"' || o.id || '","$ref":"' || $2::text
          || case o.resource_type when 'Group' then '/Groups/' else '/Users/' end || o.id
          || '","type":"' || o.resource_type || '"'
          || coalesce(',"display":' || to_json(coalesce(case when o.display_key is not null then o.label end, m.display, o.label))::text, '') || '}' as json
        from memberships m cross join lateral (
          select o.id, o.resource_type, o.label, o.display_key from resources o
          where o.tenant_id = $1::uuid and o.id = m.member_id offset 0
        ) o
        where m.tenant_id = $1::uuid and m.group_id = r.id order by m.member_id)
    ) x) n
  group by n.place
) c on true
where r.tenant_id = $1::uuid and r.id = $3::uuid and r.resource_type = $4::text
order by c.place;
