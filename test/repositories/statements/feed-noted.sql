update environment_feeds set read_at = now()
where environment_id = $1::uuid and read_at < now() - interval '1 hour' and not closing;
