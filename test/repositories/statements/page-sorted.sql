with recursive  counted as (select coalesce(sum(n.total), 0)::int as total from (select c.resource_type, c.total, c.active from resource_counts c where c.tenant_id = $1::uuid and c.resource_type = any($4::text::text[])
    union all select w.resource_type, w.total_delta, w.active_delta from waiting_events w
    where w.tenant_id = $1::uuid and w.resource_type = any($4::text::text[])) n),
listed as (select r.id as id, r.id::text || case when r.active then 't' when not r.active then 'f' else '-' end
    || case when r.password_hash is null then '-' else 'p' end
    || (date_part('epoch', r.created_at) * 1000)::bigint::text || ' ' || (date_part('epoch', r.modified_at) * 1000)::bigint::text || ' '
    || r.version::text || coalesce(' ' || r.manager_id::text, '') || r.document as packed, r.manager_id as manager_id, p.sort::text as sort from (select h.id, h.sort from (select r.id as id, ((r.display_key) collate "C") as sort from resources r where r.tenant_id = $1::uuid and r.resource_type = $2::text) h order by h.sort asc, h.id asc offset $3::bigint limit 5) p cross join lateral (
    select r.* from resources r where r.tenant_id = $1::uuid and r.id = p.id offset 0
  ) r order by p.sort asc, p.id asc), joined(member_id, group_id) as materialized (
  select x.id, m.group_id from (select l.id from listed l) x cross join lateral (select m.group_id from memberships m where m.tenant_id = $1::uuid and m.member_id = x.id offset 0) m
), above(group_id, above_id) as (
  select j.group_id, m.group_id from (select distinct group_id from joined) j
  cross join lateral (select m.group_id from memberships m where m.tenant_id = $1::uuid and m.member_id = j.group_id offset 0) m
  union
  select a.group_id, m.group_id from above a cross join lateral (select m.group_id from memberships m where m.tenant_id = $1::uuid and m.member_id = a.above_id offset 0) m
)
select 't' || t.total::text as packed, null::text from counted t
union all select 'm' || m.id::text || case when m.display_key is null then '' else m.label end, null::text
from (select distinct l.manager_id as id from listed l where l.manager_id is not null) w cross join lateral (
  select m.id, m.display_key, m.label from resources m where m.tenant_id = $1::uuid and m.id = w.id offset 0
) m
union all select 'g' || g.id::text || '{"value":"' || g.id || '","$ref":"' || $5::text || '/Groups/' || g.id || '"' || coalesce(',"display":' || to_json(g.label)::text, ''), null::text
from (select group_id as id from joined union select above_id from above) w cross join lateral (
  select g.id, g.label from resources g where g.tenant_id = $1::uuid and g.id = w.id offset 0
) g
union all select 'o' || a.group_id::text || string_agg(a.above_id::text, ''), null::text from above a group by a.group_id
union all select 'u' || j.member_id::text || string_agg(j.group_id::text, ''), null::text from joined j group by j.member_id
union all select r.packed, r.sort
from listed r;
