select "id", "environment_id", "key", "name", "settings", "paused", "created_at"
from "tenants"
where ("tenants"."environment_id" = $1 and "tenants"."key_folded" = $2);

select "id", "tenant_id", "kind", "definition", "version", "created_at", "updated_at"
from "schema_definitions"
where ("schema_definitions"."environment_id" = $1 and "schema_definitions"."tenant_id" = $2)
order by "schema_definitions"."id" asc;

select distinct "stream"->>'format' as "format"
from "webhook_endpoints"
where ("webhook_endpoints"."environment_id" = $1 and "webhook_endpoints"."tenant_id" = $2 and "webhook_endpoints"."stream" is not null)
order by "format" desc;
