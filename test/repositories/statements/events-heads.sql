select tenant_id::text as id, head::float8 as head from event_logs
where tenant_id = any($1::text::uuid[]);
