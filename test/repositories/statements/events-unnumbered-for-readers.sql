with recursive waiting(id) as (
    (select w.tenant_id from waiting_events w where w.tenant_id > $1::uuid order by w.tenant_id limit 1)
  union all
  select (select w.tenant_id from waiting_events w where w.tenant_id > x.id order by w.tenant_id limit 1)
  from waiting x where x.id is not null
) (select 'tenant' as what, x.id::text, null::float8 as head from (
      (select id from waiting where id is not null limit 100)
    union
      (select l.tenant_id from event_logs l cross join lateral (select t.* from tenants t where t.id = l.tenant_id offset 0) t
      cross join lateral (select s.* from environments s where s.id = t.environment_id offset 0) s
      where l.tenant_id > $1::uuid and l.hold_id is not null and ((l.hold_id is not null and (l.released_at is not null or l.held_until <= now())) or coalesce(t.settings->'leaverBrake'->>'mode', s.settings->'leaverBrake'->>'mode', 'off') <> 'hold')
      order by l.tenant_id limit 100)
  ) x order by x.id limit 100)
union all select 'unplaced', null, null where exists (select 1 from waiting_stretches)
union all select 'log', h.* from (select x.id::text as id, h.head::float8 as head from unnest($2::text::uuid[]) x(id) cross join lateral (
    select h.head from event_logs h where h.tenant_id = x.id limit 1
  ) h) h
union all select 'feed', h.* from (select x.id::text as id, h.head::float8 as head from unnest($3::text::uuid[]) x(id) cross join lateral (
    select h.head from environment_feeds h where h.environment_id = x.id limit 1
  ) h) h;
