select l.head::float8 as head, l.trimmed::float8 as trimmed, (
  select coalesce(t.settings->'mapping', e.settings->'mapping', '{}') <> '{}' from tenants t join environments e on e.id = t.environment_id where t.id = $1::uuid
) as maps, x.* from event_logs l left join lateral (
  select p.position::float8 as position, e.id::text as id, e.type, e.resource_type as "resourceType",
    e.resource_id::text as "resourceId", e.version::float8 as version, e.request_id as "requestId", e.actor,
    (extract(epoch from e.occurred_at) * 1000)::float8 as "occurredAt", e.changes, case when e.resource_type = 'User' then (
    select a.account_id from accounts a where a.tenant_id = $1::uuid and a.user_id = e.resource_id
  ) end as account from event_positions p cross join lateral (
    select e.* from events e where e.tenant_id = $1::uuid and e.seq = p.seq offset 0) e
  where p.tenant_id = $1::uuid and p.position > $2::bigint and p.position <= $2::bigint + 10000
  order by p.position limit 100
) x on true where l.tenant_id = $1::uuid order by x.position;
