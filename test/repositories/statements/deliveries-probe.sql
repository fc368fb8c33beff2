update webhook_endpoints set resume_at = now() + interval '30 seconds'
where id = $1::uuid and enabled and resume_at <= now() returning 1;

with failed as (
  update webhook_endpoints w set failures = w.failures + 1, failing_since = f.since, enabled = f.ms < $2::float8,
    disabled_reason = case when f.ms >= $2::float8 then $3::text end,
    resume_at = case when $4::text = 'still down' or ($4::text = 'down' and w.resume_at is null) then f.rested else w.resume_at end
  from (
    select s.id, s.since, s.ms, now() + greatest($7::float8, least(greatest(s.ms / 4, $5::float8),
          greatest($6::float8, least(s.ms / 240, 4 * $6::float8)))) * interval '1 millisecond' as rested
    from (select x.id, coalesce(x.failing_since, now()) as since,
        (extract(epoch from now() - coalesce(x.failing_since, now())) * 1000)::float8 as ms
      from webhook_endpoints x where x.id = $1::uuid) s offset 0
  ) f
  where w.id = $1::uuid and f.id = w.id and w.enabled
  returning w.id, w.receiver_key, w.stream, not w.enabled as disabled, f.ms
), told as (
  insert into stream_messages (endpoint_id, id, uri, payload, pushed)
  select f.id, $8::uuid, $9::text, jsonb_build_object('status', 'disabled', 'reason', $3::text), f.stream ->> 'method' = 'push'
  from failed f where f.disabled and f.receiver_key is not null
)
select f.disabled, f.ms as "failingMs" from failed f;
