select w.id::text, w.url, w.secret, w.failures, w.snapshot, w.stream,
  w.environment_id::text as "environmentId", w.tenant_id::text as "tenantId",
  case when w.previous_secret_until > now() then w.previous_secret end as "previousSecret",
  d.tenants as tenants
from webhook_endpoints w cross join lateral (
  select json_agg(t.id::text) as tenants from (with recursive queued(id) as (
        (select d.tenant_id from webhook_deliveries d where d.endpoint_id = w.id and not d.dead
        order by d.tenant_id limit 1)
      union all
      select (select d.tenant_id from webhook_deliveries d
        where d.endpoint_id = w.id and not d.dead and d.tenant_id > q.id order by d.tenant_id limit 1)
      from queued q where q.id is not null
    )
    select q.id from queued q where q.id is not null and (
      select d.due_at <= now() from webhook_deliveries d
      where d.endpoint_id = w.id and d.tenant_id = q.id and not d.dead order by d.due_at limit 1
    ) limit 50) t
) d
where d.tenants is not null and w.enabled and (w.resume_at is null or w.resume_at <= now())
  and w.id <> all($1::text::uuid[])
  and (w.stream->>'method' is distinct from 'poll' or w.id = any($2::text::uuid[]));
