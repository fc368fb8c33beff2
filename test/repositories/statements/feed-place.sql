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
