with recursive waiting(id, n) as (
    (select x.endpoint_id, 1 from (select d.endpoint_id from webhook_deliveries d where not d.dead and d.endpoint_id > $1::uuid order by d.endpoint_id limit 1) x)
  union all
  select (select d.endpoint_id from webhook_deliveries d where not d.dead and d.endpoint_id > x.id order by d.endpoint_id limit 1), x.n + 1 from waiting x where x.id is not null and x.n < 500
)
select x.id::text as walked, x.n, e.* from waiting x left join lateral (
  select w.id::text, w.url, w.secret, w.failures, w.resume_at is not null as resting, w.snapshot, w.stream,
    w.environment_id::text as "environmentId", w.tenant_id::text as "tenantId",
    case when w.previous_secret_until > now() then w.previous_secret end as "previousSecret",
    coalesce(u.tenants, '[]') as urgent, coalesce(d.tenants, '[]') as tenants
  from (
    select w.* from webhook_endpoints w where w.id = x.id and w.enabled and not w.paused and (w.resume_at is null or w.resume_at <= now())
      and w.id <> all($2::text::uuid[])
      and (w.stream->>'method' is distinct from 'poll' or w.id = any($3::text::uuid[])) offset 0
  ) w cross join lateral (
    select json_agg(t.id::text) as tenants from (with recursive queued(id, due, n) as (
          (select x.tenant_id, x.due_at, 1 from (select d.tenant_id, d.due_at from webhook_deliveries d
            where d.endpoint_id = w.id and not d.dead and d.tenant_id > $4::uuid order by d.tenant_id, d.due_at limit 1) x)
        union all
        select x.tenant_id, x.due_at, q.n + 1 from queued q cross join lateral (select d.tenant_id, d.due_at from webhook_deliveries d
          where d.endpoint_id = w.id and not d.dead and d.tenant_id > q.id order by d.tenant_id, d.due_at limit 1) x where q.n < 1000
      )
      select q.id from queued q where q.due <= now() limit 50) t
  ) d cross join lateral (
    select json_agg(t.id::text) as tenants from (with recursive queued(id, due, n) as (
          (select x.tenant_id, x.due_at, 1 from (select d.tenant_id, d.due_at from webhook_deliveries d
            where d.endpoint_id = w.id and not d.dead and d.urgent and d.tenant_id > '00000000-0000-0000-0000-000000000000' order by d.tenant_id, d.due_at limit 1) x)
        union all
        select x.tenant_id, x.due_at, q.n + 1 from queued q cross join lateral (select d.tenant_id, d.due_at from webhook_deliveries d
          where d.endpoint_id = w.id and not d.dead and d.urgent and d.tenant_id > q.id order by d.tenant_id, d.due_at limit 1) x where q.n < 1000
      )
      select q.id from queued q where q.due <= now() limit 50) t
  ) u where d.tenants is not null or u.tenants is not null
) e on true where x.id is not null and (e.id is not null or x.n in (1, 500));
