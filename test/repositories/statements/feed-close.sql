update environment_feeds f set closing = true, complete = false
where f.environment_id = $1::uuid and (f.closing or f.read_at < now() - make_interval(days => $2::int)) returning 1;

select t.id::text as id from tenants t where t.environment_id = $1::uuid and t.id > $2::uuid
order by t.environment_id, t.id limit 200;

insert into event_logs (tenant_id) select t.id from tenants t where t.id = any($1::text::uuid[])
  and not exists (select 1 from event_logs l where l.tenant_id = t.id) order by t.id for key share of t skip locked
on conflict do nothing returning 1;

-- in a transaction
select 1 from environment_feeds f where f.environment_id = $1::uuid and f.closing for update;

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
with gone as (
  delete from waiting_stretches w where w.tenant_id = any($1::text::uuid[]) returning w.tenant_id, w.position - w.size as start
),
starts as (select g.tenant_id, min(g.start) as start from gone g group by 1)
update event_logs l set fed = least(l.fed, s.start) from starts s where l.tenant_id = any($1::text::uuid[]) and l.tenant_id = s.tenant_id;

select t.id::text as id from tenants t where t.environment_id = $1::uuid and t.id > $2::uuid
order by t.environment_id, t.id limit 200;

-- in a transaction
select 1 from environment_feeds f where f.environment_id = $1::uuid and f.closing for update;

-- in a transaction
select s.tenant_id::text as "tenantId", s.place::float8 as place, (s.position - s.size)::float8 as start
from feed_stretches s where s.environment_id = $1::uuid order by s.environment_id, s.place limit 1000;

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
update event_logs l set fed = least(l.fed, s.start) from unnest($1::text::uuid[], $2::text::bigint[]) s(tenant_id, start)
where l.tenant_id = s.tenant_id and l.environment_id = $3::uuid;

-- in a transaction
delete from feed_stretches s where s.environment_id = $1::uuid and s.place <= $2::bigint;

-- in a transaction
select 1 from environment_feeds f where f.environment_id = $1::uuid and f.closing for update;

-- in a transaction
select s.tenant_id::text as "tenantId", s.place::float8 as place, (s.position - s.size)::float8 as start
from feed_stretches s where s.environment_id = $1::uuid order by s.environment_id, s.place limit 1000;

-- in a transaction
select 1 from environment_feeds f where f.environment_id = $1::uuid and f.closing for update;

-- in a transaction
delete from environment_feeds f where f.environment_id = $1::uuid;
