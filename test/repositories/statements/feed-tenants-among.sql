select t.id::text as id from unnest($1::text::uuid[]) x(id) cross join lateral (
  select t.id from tenants t where t.id = x.id and t.environment_id = $2::uuid limit 1
) t;
