select environment_id::text as id, head::float8 as head from environment_feeds
where environment_id = any($1::text::uuid[]);
