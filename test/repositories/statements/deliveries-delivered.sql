delete from webhook_deliveries d where (d.tenant_id = $1::uuid and d.endpoint_id = $2::uuid) is true and d.ctid = any(array(
    select n.ctid from unnest($3::text::bigint[], $4::text::int[]) as x(position, attempts) cross join lateral (
      select n.ctid from webhook_deliveries n where n.tenant_id = $1::uuid and n.endpoint_id = $2::uuid
        and n.position = x.position and n.attempts = x.attempts limit 1
    ) n))
returning d.resource_id::text as resource, d.position::float8 as position;

delete from webhook_deliveries d where (d.tenant_id = $1::uuid and d.endpoint_id = $2::uuid) is true and d.ctid = any(array(
    select n.ctid from unnest($3::text::bigint[], $4::text::int[]) as x(position, attempts) cross join lateral (
      select n.ctid from webhook_deliveries n where n.tenant_id = $1::uuid and n.endpoint_id = $2::uuid
        and n.position = x.position and n.attempts = x.attempts limit 1
    ) n))
returning d.resource_id::text as resource, d.position::float8 as position;

update webhook_endpoints set failures = 0, failing_since = null, resume_at = null
where id = $1::uuid and (failures > 0 or resume_at is not null);
