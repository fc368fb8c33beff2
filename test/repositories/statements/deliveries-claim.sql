with looked as materialized (
  select u.* from (select d.ctid as at, d.position, d.due_at, d.resource_id, d.attempts, d.urgent
    from webhook_deliveries d where d.tenant_id = $1::uuid and d.endpoint_id = $2::uuid and not d.dead and d.urgent and d.due_at <= now() order by d.due_at limit 64) u
  union all
  select o.* from (select d.ctid as at, d.position, d.due_at, d.resource_id, d.attempts, d.urgent
    from webhook_deliveries d where d.tenant_id = $1::uuid and d.endpoint_id = $2::uuid and not d.dead and d.due_at <= now() order by d.due_at limit 64) o where not o.urgent and not $4::boolean
),
due as materialized (
  select l.*, l.resource_id is not distinct from (
    select b.resource_id from webhook_deliveries b where b.tenant_id = $1::uuid and b.endpoint_id = $2::uuid
      and (b.resource_id, b.position) < (l.resource_id, l.position) and not b.dead
    order by b.resource_id desc, b.position desc limit 1
  ) as blocked from looked l
),
behind as materialized (
  select d.at from due l cross join lateral (
    select d.ctid as at from webhook_deliveries d
    where d.ctid = l.at and (d.tenant_id = $1::uuid and d.endpoint_id = $2::uuid) is true and not d.dead and d.due_at <= now() for update of d skip locked
  ) d where l.blocked
),
aside as (
  update webhook_deliveries d set due_at = 'infinity' where (d.tenant_id = $1::uuid and d.endpoint_id = $2::uuid) is true and d.ctid = any(array(select at from behind))
),
chosen as materialized (
  select d.at from (
    select l.at from due l where not l.blocked
    order by l.urgent desc, case when $5::boolean then l.attempts else 0 end, l.due_at, l.position offset 0
  ) l cross join lateral (
    select d.ctid as at from webhook_deliveries d
    where d.ctid = l.at and (d.tenant_id = $1::uuid and d.endpoint_id = $2::uuid) is true and not d.dead and d.due_at <= now() for update of d skip locked
  ) d limit $3::int
),
claimed as (
  update webhook_deliveries d set attempts = d.attempts + 1, due_at = now() + interval '30 seconds',
    first_tried_at = least(d.first_tried_at, now())
  where (d.tenant_id = $1::uuid and d.endpoint_id = $2::uuid) is true and d.ctid = any(array(select at from chosen))
  returning d.position, d.attempts, d.taken, d.first_tried_at
)
select x.*, (
  select coalesce(t.settings->'mapping', e.settings->'mapping', '{}') <> '{}' from tenants t join environments e on e.id = t.environment_id where t.id = $1::uuid
) as maps, c.attempts, (extract(epoch from now() - c.first_tried_at) * 1000)::float8 as age, c.taken from claimed c cross join lateral (
  select p.position::float8 as position, e.id::text as id, e.type, e.resource_type as "resourceType",
    e.resource_id::text as "resourceId", e.version::float8 as version, e.request_id as "requestId", e.actor,
    (extract(epoch from e.occurred_at) * 1000)::float8 as "occurredAt", e.changes, case when e.resource_type = 'User' then (
    select a.account_id from accounts a where a.tenant_id = $1::uuid and a.user_id = e.resource_id
  ) end as account from event_positions p cross join lateral (
    select e.* from events e where e.tenant_id = $1::uuid and e.seq = p.seq offset 0) e where p.tenant_id = $1::uuid and p.position = c.position limit 1
) x order by c.position;
