with locked as materialized (
  select d.ctid as at, d.position, d.due_at, d.resource_id from webhook_deliveries d
  where d.tenant_id = $1::uuid and d.endpoint_id = $2::uuid and not d.dead and d.due_at <= now()
  order by d.due_at limit 200 for update of d skip locked
),
due as materialized (
  select d.at, d.position, d.due_at, d.resource_id is not distinct from (
    select b.resource_id from webhook_deliveries b where b.tenant_id = $1::uuid and b.endpoint_id = $2::uuid
      and (b.resource_id, b.position) < (d.resource_id, d.position) and not b.dead
    order by b.resource_id desc, b.position desc limit 1
  ) as blocked from locked d
),
aside as (
  update webhook_deliveries d set due_at = 'infinity'
  where (d.tenant_id = $1::uuid and d.endpoint_id = $2::uuid) is true and d.ctid = any(array(select at from due where blocked))
),
claimed as (
  update webhook_deliveries d set attempts = d.attempts + 1, due_at = now() + interval '30 seconds',
    first_tried_at = coalesce(d.first_tried_at, now())
  where (d.tenant_id = $1::uuid and d.endpoint_id = $2::uuid) is true and d.ctid = any(array(
      select at from due where not blocked order by due_at, position limit $3::int))
  returning d.position, d.attempts, d.taken, (extract(epoch from now() - d.first_tried_at) * 1000)::float8 as age
)
select x.*, c.attempts, c.age, c.taken from claimed c cross join lateral (
  select p.position::float8 as position, e.id::text as id, e.type, e.resource_type as "resourceType",
    e.resource_id::text as "resourceId", e.version::float8 as version, e.request_id as "requestId", e.actor,
    (extract(epoch from e.occurred_at) * 1000)::float8 as "occurredAt", e.changes from event_positions p cross join lateral (
    select e.* from events e where e.tenant_id = p.tenant_id and e.seq = p.seq offset 0) e where p.tenant_id = $1::uuid and p.position = c.position limit 1
) x order by c.position;
