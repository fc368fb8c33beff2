with recursive hits as materialized (select r.id as id, null::text as sort from resources r where r.tenant_id = $1::uuid and r.resource_type = $5::text and (r.unique_key >= $3::text and r.unique_key < $2::text) and (not (r.active = $4::boolean) is true)), counted as (select count(*)::int as total from hits),
listed as (select r.id as id, r.id::text || case when r.active then 't' when not r.active then 'f' else '-' end
    || case when r.password_hash is null then '-' else 'p' end
    || (date_part('epoch', r.created_at) * 1000)::bigint::text || ' ' || (date_part('epoch', r.modified_at) * 1000)::bigint::text || ' '
    || r.version::text || coalesce(' ' || r.manager_id::text, '') || r.document as packed, r.manager_id as manager_id from (select h.id, h.sort from hits h order by h.id asc offset $6::bigint limit 5) p cross join lateral (
    select r.* from resources r where r.tenant_id = $1::uuid and r.id = p.id offset 0
  ) r order by p.id asc), joined(member_id, group_id) as materialized (
  select x.id, m.group_id from (select l.id from listed l) x cross join lateral (select m.group_id from memberships m where m.tenant_id = $1::uuid and m.member_id = x.id offset 0) m
), above(group_id, above_id) as (
  select j.group_id, m.group_id from (select distinct group_id from joined) j
  cross join lateral (select m.group_id from memberships m where m.tenant_id = $1::uuid and m.member_id = j.group_id offset 0) m
  union
  select a.group_id, m.group_id from above a cross join lateral (select m.group_id from memberships m where m.tenant_id = $1::uuid and m.member_id = a.above_id offset 0) m
)
select 't' || t.total::text as packed from counted t
union all select 'm' || m.id::text || case when m.display_key is null then '' else m.label end
from (select distinct l.manager_id as id from listed l where l.manager_id is not null) w cross join lateral (
  select m.id, m.display_key, m.label from resources m where m.tenant_id = $1::uuid and m.id = w.id offset 0
) m
union all select 'g' || g.id::text || '{"value":"' || g.id || '","$ref":"' || $7::text || '/Groups/' || g.id || '"' || coalesce(',"display":' || to_json(g.label)::text, '')
from (select group_id as id from joined union select above_id from above) w cross join lateral (
  select g.id, g.label from resources g where g.tenant_id = $1::uuid and g.id = w.id offset 0
) g
union all select 'o' || a.group_id::text || string_agg(a.above_id::text, '') from above a group by a.group_id
union all select 'u' || j.member_id::text || string_agg(j.group_id::text, '') from joined j group by j.member_id
union all select r.packed
from listed r;
