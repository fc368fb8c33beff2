select "id", "project_id", "environment_id", "tenant_id", "user_id", "name", "permissions", "tokens_may_mint_admin_keys", "setup_link_id", "created_at", "revoked_at", "warned_at"
from "api_keys"
where "api_keys"."id" = $1;

select "key_id", "version", "hash", "created_at", "expires_at", "ends_at", "ends_on_use", "last_used_at", "last_used_by"
from "api_key_secrets"
where "api_key_secrets"."key_id" in ($1)
order by "api_key_secrets"."version" asc;

select "key_id", "thumbprint", "jwk", "created_at", "last_used_at", "last_used_by"
from "api_key_public_keys"
where "api_key_public_keys"."key_id" in ($1)
order by "api_key_public_keys"."created_at" asc, "api_key_public_keys"."thumbprint" asc;

select "key_id", "id", "issuer", "jwks_uri", "subject", "audiences", "algorithms", "created_at", "last_used_at", "last_used_by"
from "api_key_trusts"
where "api_key_trusts"."key_id" in ($1)
order by "api_key_trusts"."created_at" asc, "api_key_trusts"."id" asc;
