select f.id::text as id, f.head::float8 as head, f.trimmed::float8 as trimmed, x.start::float8 as start,
  f.read_at < now() - interval '1 hour' as unnoted, s.tenant_id::text as "tenantId", s.place::float8 as place, s.position::float8 as position,
  s.size::float8 as size, s.maps
from environment_feeds f
cross join lateral (
  select greatest($2::bigint, least(f.trimmed, $3::bigint)) as start, e.settings from environments e
  where e.id = $1::uuid offset 0
) x
left join lateral (
  select s.*, t.maps from (
      (select s.tenant_id, s.place, s.position, s.size from feed_stretches s where s.environment_id = $1::uuid and s.place > x.start and s.place <= x.start + $4::int order by s.environment_id, s.place)
    union all
      (select s.tenant_id, s.place, s.position, s.size from feed_stretches s where s.environment_id = $1::uuid and s.place > x.start + $4::int order by s.environment_id, s.place limit 1)
  ) s cross join lateral (
    select coalesce(t.settings->'mapping', x.settings->'mapping', '{}') <> '{}' as maps from tenants t
    where t.id = s.tenant_id and t.environment_id = $1::uuid offset 0
  ) t
) s on true where f.environment_id = $1::uuid and f.complete order by s.place;

with runs as materialized (
  select r.* from unnest($1::text::uuid[], $2::text::bigint[],
      $3::text::bigint[], $4::text::boolean[])
  with ordinality r(tenant_id, after, until, strict, n)
) select g.lost, x.* from (select exists (select 1 from runs r cross join lateral (
      select l.trimmed from event_logs l where l.tenant_id = r.tenant_id limit 1
    ) l where r.strict and l.trimmed > r.after) as lost) g left join (select e.* from runs r cross join lateral (
    select r.n::int as n, p.position::float8 as position, e.id::text as id, e.type, e.resource_type as "resourceType",
      e.resource_id::text as "resourceId", e.version::float8 as version, e.request_id as "requestId", e.actor,
      (extract(epoch from e.occurred_at) * 1000)::float8 as "occurredAt", e.changes, case when e.resource_type = 'User' then (
      select a.account_id from accounts a where a.tenant_id = e.tenant_id and a.user_id = e.resource_id
    ) end as account from event_positions p cross join lateral (
      select e.* from events e where e.tenant_id = r.tenant_id and e.seq = p.seq offset 0) e where p.tenant_id = r.tenant_id and p.position > r.after and p.position <= r.until
    order by p.position limit 100
  ) e order by e.n, e.position limit 100) x on true
order by x.n, x.position;
