with "u" as (select *
  from json_to_recordset($1::text::json)
    as u(id text, version int, "inPlace" text, at float8, client text)), "used" as (select "s"."key_id", "s"."version", to_timestamp(u.at / 1000) as "at", u.client as "client"
  from "api_key_secrets" "s" inner join u on u.id = "s"."key_id" and u.version = "s"."version" for no key update of "s" skip locked), "used_public" as (select "p"."key_id", "p"."thumbprint", to_timestamp(u.at / 1000) as "at", u.client as "client"
  from "api_key_public_keys" "p" inner join u on u.id = "p"."key_id" and u."inPlace" = "p"."thumbprint" for no key update of "p" skip locked), "used_trust" as (select "f"."key_id", "f"."id", to_timestamp(u.at / 1000) as "at", u.client as "client"
  from "api_key_trusts" "f" inner join u on u.id = "f"."key_id" and u."inPlace" = "f"."id"::text for no key update of "f" skip locked), "noted_public" as (update "api_key_public_keys" set "last_used_at" = "at", "last_used_by" = "client"
  from "used_public"
  where ("api_key_public_keys"."key_id" = "used_public"."key_id" and "api_key_public_keys"."thumbprint" = "used_public"."thumbprint" and ("api_key_public_keys"."last_used_at" is null or "api_key_public_keys"."last_used_at" <= "at"))), "noted_trust" as (update "api_key_trusts" set "last_used_at" = "at", "last_used_by" = "client"
  from "used_trust"
  where ("api_key_trusts"."key_id" = "used_trust"."key_id" and "api_key_trusts"."id" = "used_trust"."id" and ("api_key_trusts"."last_used_at" is null or "api_key_trusts"."last_used_at" <= "at"))) update "api_key_secrets" set "last_used_at" = "at", "last_used_by" = "client"
from "used"
where ("api_key_secrets"."key_id" = "used"."key_id" and "api_key_secrets"."version" = "used"."version" and ("api_key_secrets"."last_used_at" is null or "api_key_secrets"."last_used_at" <= "at"));
