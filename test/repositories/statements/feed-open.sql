update environment_feeds f set closing = true, complete = false
where f.environment_id = $1::uuid and (f.closing ) returning 1;

insert into environment_feeds (environment_id) select e.id from environments e where e.id = $1::uuid on conflict do nothing;

select t.id::text as id from tenants t where t.environment_id = $1::uuid and t.id > $2::uuid
order by t.environment_id, t.id limit 200;

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
  select l.tenant_id, l.head, greatest(l.fed, l.trimmed) as fed from event_logs l
  where l.tenant_id = any($1::text::uuid[]) and l.head > greatest(l.fed, l.trimmed)
),
stretches as (
  insert into waiting_stretches (tenant_id, position, size) select l.tenant_id, l.head, l.head - l.fed from logs l
)
update event_logs l set fed = l.head where l.tenant_id = any($1::text::uuid[]) and l.head > greatest(l.fed, l.trimmed);

select t.id::text as id from tenants t where t.environment_id = $1::uuid and t.id > $2::uuid
order by t.environment_id, t.id limit 200;

update environment_feeds f set complete = true where f.environment_id = $1::uuid;

-- in a transaction
select f.environment_id::text as id from unnest($1::text::uuid[]) x(id) cross join lateral (
  select f.environment_id from environment_feeds f where f.environment_id = x.id for update of f
) f;

-- in a transaction
with waiting as materialized (
  select w.ctid as at, w.tenant_id, w.position, w.size, t.environment_id from waiting_stretches w
  cross join lateral (select t.environment_id from tenants t where t.id = w.tenant_id offset 0) t
  where t.environment_id = any($1::text::uuid[]) order by w.tenant_id, w.position limit 1000
),
gone as (
  delete from waiting_stretches w where w.ctid = any(array(select at from waiting))
),
runs as materialized (
  select w.environment_id, w.tenant_id, max(w.position) as position, sum(w.size) as size from waiting w group by 1, 2
),
feeds as materialized (
  select x.id, f.at, f.head from unnest($1::text::uuid[]) x(id) cross join lateral (
    select f.ctid as at, f.head from environment_feeds f where f.environment_id = x.id limit 1
  ) f
),
placed as (
  insert into feed_stretches (environment_id, place, tenant_id, position, size)
  select f.id, f.head + sum(r.size) over (partition by f.id order by r.tenant_id), r.tenant_id, r.position, r.size
  from runs r join feeds f on f.id = r.environment_id
),
moved as (
  update environment_feeds f set head = f.head + m.size
  from (select o.at, sum(r.size) as size from runs r join feeds o on o.id = r.environment_id group by 1) m
  where (f.environment_id = any($1::text::uuid[])) is true and f.ctid = m.at
)
select count(*)::int as count from waiting;
