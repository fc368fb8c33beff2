select f.environment_id::text as id from environment_feeds f
where f.closing or f.read_at < now() - make_interval(days => $1::int) order by f.environment_id limit 200;
