-- in a transaction
with oldest as materialized (
  select s.place, s.placed_at from feed_stretches s where s.environment_id = $1::uuid
  order by s.environment_id, s.place limit 1000
),
gone as (
  delete from feed_stretches s where s.environment_id = $1::uuid and s.place <= (
    select max(o.place) from oldest o where o.placed_at < now() - make_interval(days => $2::int)
  ) returning s.place
)
select count(*)::int as count, max(g.place)::float8 as place from gone g;

-- in a transaction
update environment_feeds f set trimmed = greatest(f.trimmed, $2::bigint) where f.environment_id = $1::uuid;
