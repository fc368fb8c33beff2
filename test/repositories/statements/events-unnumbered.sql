with recursive waiting(id) as (
    (select e.tenant_id from events e where e.position is null and not e.held order by e.tenant_id limit 1)
  union all
  select (select e.tenant_id from events e
    where e.position is null and not e.held and e.tenant_id > w.id order by e.tenant_id limit 1)
  from waiting w where w.id is not null
) select id::text from (
  select id from waiting where id is not null
  union
  select l.tenant_id from event_logs l join tenants t on t.id = l.tenant_id join environments s on s.id = t.environment_id
  where l.hold_id is not null and ((l.hold_id is not null and (l.released_at is not null or l.held_until <= now())) or coalesce(t.settings->'leaverBrake'->>'mode', s.settings->'leaverBrake'->>'mode', 'off') <> 'hold')
) x limit 100;
