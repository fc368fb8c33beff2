-- in a transaction
select l.tenant_id::text as "tenantId", l.hold_id::text as id, (extract(epoch from l.held_since) * 1000)::float8 as since,
  (extract(epoch from l.held_until) * 1000)::float8 as until, coalesce(l.held_until <= now(), false) as due,
  l.released_at is not null as released,
  coalesce(t.settings->'leaverBrake', s.settings->'leaverBrake') as brake
from unnest($1::text::uuid[]) x(id) cross join lateral (
  select l.* from event_logs l where l.tenant_id = x.id for update of l
) l join lateral (select t.* from tenants t where t.id = l.tenant_id offset 0) t on true
join lateral (select s.* from environments s where s.id = t.environment_id offset 0) s on true;

-- in a transaction
insert into event_logs (tenant_id) select t.id from tenants t where t.id = any($1::text::uuid[])
  and not exists (select 1 from event_logs l where l.tenant_id = t.id) order by t.id for key share of t skip locked
on conflict do nothing returning 1;

-- in a transaction
select l.tenant_id::text as "tenantId", l.hold_id::text as id, (extract(epoch from l.held_since) * 1000)::float8 as since,
  (extract(epoch from l.held_until) * 1000)::float8 as until, coalesce(l.held_until <= now(), false) as due,
  l.released_at is not null as released,
  coalesce(t.settings->'leaverBrake', s.settings->'leaverBrake') as brake
from unnest($1::text::uuid[]) x(id) cross join lateral (
  select l.* from event_logs l where l.tenant_id = x.id for update of l
) l join lateral (select t.* from tenants t where t.id = l.tenant_id offset 0) t on true
join lateral (select s.* from environments s where s.id = t.environment_id offset 0) s on true;

-- in a transaction
with logs as materialized (
  select l.* from unnest($1::text::uuid[]) x(id) cross join lateral (
    select l.tenant_id, l.ctid as at, l.head, greatest(l.fed, l.trimmed) as fed, t.environment_id, exists (select 1 from environment_feeds f where f.environment_id = t.environment_id and not f.closing) as has_feed,
      exists (select 1 from histories y where y.tenant_id = t.id and y.ended_at is null) as has_history
    from event_logs l join tenants t on t.id = l.tenant_id where l.tenant_id = x.id limit 1
  ) l
),
fresh as materialized (
  select l.tenant_id, l.at as log, l.head + w.n as position, w.* from logs l cross join lateral (
    select w.ctid as at, w.seq, w.resource_type, w.total_delta, w.active_delta, row_number() over (order by w.seq) as n
    from waiting_events w where w.tenant_id = l.tenant_id order by w.seq limit $2::int
  ) w
),
gone as (
  delete from waiting_events w where (w.tenant_id = any($1::text::uuid[])) is true
    and w.ctid = any(array(select at from fresh))
),
placed as (
  insert into event_positions (tenant_id, position, seq) select f.tenant_id, f.position, f.seq from fresh f
),
counted as (insert into resource_counts as c (tenant_id, resource_type, total, active)
  select x.tenant_id, x.resource_type, sum(x.total_delta), sum(x.active_delta) from (select * from fresh) x
  where x.total_delta <> 0 or x.active_delta <> 0 group by x.tenant_id, x.resource_type
  on conflict (tenant_id, resource_type) do update set total = c.total + excluded.total, active = c.active + excluded.active),
endpoints as materialized (
  select l.tenant_id, w.id, w.event_types from logs l cross join lateral (
    -- The lock keeps the endpoint from being deleted before the commit.
    select * from (select w.id, w.event_types from webhook_endpoints w
      where w.environment_id = l.environment_id and w.tenant_id is null and w.enabled for key share) a
    union all
    select * from (select w.id, w.event_types from webhook_endpoints w
      where w.environment_id = l.environment_id and w.tenant_id = l.tenant_id and w.enabled for key share) b
  ) w
),
wanted as materialized (
  select f.tenant_id, f.position, e.type, e.resource_id, coalesce(f.position <= max(case when e.type in ('user.deactivated', 'user.deleted', 'user.sessions_revoked', 'agent.deactivated', 'agent.deleted') then f.position end) over (partition by f.tenant_id, e.resource_id), false) as urgent
  from (select f.* from fresh f where f.tenant_id in (select w.tenant_id from endpoints w)) f cross join lateral (
    select e.type, e.resource_id from events e where e.tenant_id = f.tenant_id and e.seq = f.seq limit 1
  ) e
),
queued as (
  insert into webhook_deliveries (tenant_id, endpoint_id, position, resource_id, urgent)
  select f.tenant_id, w.id, f.position, f.resource_id, f.urgent from wanted f join endpoints w on w.tenant_id = f.tenant_id
  where cardinality(w.event_types) = 0 or f.type = any(w.event_types) or split_part(f.type, '.', 1) || '.*' = any(w.event_types)
),
-- What waits of somebody who leaves goes first too. A row that is being claimed or settled at this moment is on its way.
before as materialized (
  select o.at from (select f.* from wanted f where f.type in ('user.deactivated', 'user.deleted', 'user.sessions_revoked', 'agent.deactivated', 'agent.deleted')) f join endpoints w on w.tenant_id = f.tenant_id
  cross join lateral (
    select o.ctid as at from webhook_deliveries o where o.tenant_id = f.tenant_id and o.endpoint_id = w.id
      and o.resource_id = f.resource_id and o.position < f.position and not o.dead and not o.urgent
    for no key update of o skip locked
  ) o
),
raised as (
  update webhook_deliveries d set urgent = true
  where (d.tenant_id = any($1::text::uuid[])) is true and d.ctid = any(array(select at from before))
),
heads as materialized (
  select l.tenant_id, l.at as log, l.fed, l.has_feed, l.has_history, m.head from logs l
  join (select f.tenant_id, max(f.position) as head from fresh f group by f.tenant_id) m on m.tenant_id = l.tenant_id
),
stretches as (
  insert into waiting_stretches (tenant_id, position, size)
  select m.tenant_id, m.head, m.head - m.fed from heads m where m.has_feed returning 1
),
grown as (insert into waiting_histories (tenant_id, position) select m.tenant_id, m.head from heads m where m.has_history),
moved as (
  update event_logs l set head = m.head, fed = case when m.has_feed then m.head else l.fed end from heads m
  where (l.tenant_id = any($1::text::uuid[])) is true and l.ctid = m.log
)
select count(*)::int as numbered, coalesce(max(n), 0)::int as most, exists (select 1 from stretches) as fed from fresh;
