with told as (
  update tenants t set seats_ran_out = true where t.id = $1::uuid and not t.seats_ran_out returning t.id
),
counted as (
  insert into tenant_versions as v (tenant_id, version) select id, 1 from (select id from told) as t(id)
  on conflict (tenant_id) do update set version = v.version + 1 returning v.tenant_id, v.version
),
logged as (
  insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes,
      total_delta, active_delta)
  select $1::uuid, e.type, 'Tenant', $1::uuid, c.version, $2::text, $3::text, date_trunc('milliseconds', now()),
    e.changes, 0, 0
  from counted c cross join (values ('tenant.seats_exhausted', json_build_object('maxActiveUsers', $4::int)::text)) as e(type, changes)
  returning tenant_id, seq, resource_type, total_delta, active_delta
),
waiting as (
  insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta) select * from logged
)
select 1;
