select w.place::text || ' ' || x.packed as packed
from unnest($3::text::text[], $4::text::text[]) with ordinality w(key, part, place) cross join lateral (
  select r.id::text || case when r.active then 't' when not r.active then 'f' else '-' end
    || case when r.password_hash is null then '-' else 'p' end
    || (date_part('epoch', r.created_at) * 1000)::bigint::text || ' ' || (date_part('epoch', r.modified_at) * 1000)::bigint::text || ' '
    || r.version::text || r.document as packed from (
    select r.* from resources r where r.tenant_id = $1::uuid and r.resource_type = $2::text and r.display_key = w.key limit 101
  ) r order by r.id
) x;
