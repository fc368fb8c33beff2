select "id", "environment_id", "key", "name", "settings", "paused", "ends_roles", "created_at"
from "tenants"
where ("tenants"."environment_id" = $1 and "tenants"."key_folded" = $2);

select "id", "tenant_id", "kind", "definition", "version", "created_at", "updated_at"
from "schema_definitions"
where ("schema_definitions"."environment_id" = $1 and "schema_definitions"."tenant_id" = $2)
order by "schema_definitions"."id" asc;

select distinct w.stream->>'format' as format from webhook_endpoints w
where w.environment_id = $1::uuid and w.tenant_id is not distinct from $2::uuid and w.stream is not null
order by format desc;
