select x.id::text as id, h.head::float8 as head from unnest($1::text::uuid[]) x(id) cross join lateral (
  select h.head from event_logs h where h.tenant_id = x.id limit 1
) h;
