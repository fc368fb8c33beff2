-- in a transaction
select l.hold_id::text as id, (extract(epoch from l.held_since) * 1000)::float8 as since,
  (extract(epoch from l.held_until) * 1000)::float8 as until, coalesce(l.held_until <= now(), false) as due,
  l.released_at is not null as released, coalesce(t.settings->'leaverBrake', s.settings->'leaverBrake') as brake
from event_logs l join tenants t on t.id = l.tenant_id join environments s on s.id = t.environment_id
where l.tenant_id = $1::uuid for update of l;

-- in a transaction
insert into event_logs (tenant_id) select t.id from tenants t where t.id = $1::uuid
  and not exists (select 1 from event_logs l where l.tenant_id = $1::uuid)
on conflict do nothing returning 1;

-- in a transaction
select l.hold_id::text as id, (extract(epoch from l.held_since) * 1000)::float8 as since,
  (extract(epoch from l.held_until) * 1000)::float8 as until, coalesce(l.held_until <= now(), false) as due,
  l.released_at is not null as released, coalesce(t.settings->'leaverBrake', s.settings->'leaverBrake') as brake
from event_logs l join tenants t on t.id = l.tenant_id join environments s on s.id = t.environment_id
where l.tenant_id = $1::uuid for update of l;

-- in a transaction
with fresh as materialized (
  select e.seq, l.head + row_number() over (order by e.seq) as position
  from event_logs l cross join lateral (
    select e.seq from events e where e.tenant_id = $1::uuid
      and e.position is null and not e.held order by e.seq limit 1000
  ) e where l.tenant_id = $1::uuid
),
numbered as (
  update events e set position = f.position, held = false from fresh f where e.tenant_id = $1::uuid and e.seq = f.seq
  returning e.position, e.type, e.resource_id
),
queued as (
  insert into webhook_deliveries (tenant_id, endpoint_id, position, resource_id)
  select $1::uuid, w.id, n.position, n.resource_id from numbered n join (
    -- The lock keeps the endpoint from being deleted before the commit.
    select w.id, w.event_types from tenants t join webhook_endpoints w on w.environment_id = t.environment_id
    where t.id = $1::uuid and w.enabled and (w.tenant_id is null or w.tenant_id = t.id) for key share of w
  ) w on cardinality(w.event_types) = 0 or n.type = any(w.event_types)
    or split_part(n.type, '.', 1) || '.*' = any(w.event_types)
),
counted as (select count(*) as n from numbered),
moved as (update event_logs l set head = l.head + c.n from counted c where l.tenant_id = $1::uuid)
select n::int as count from counted;
