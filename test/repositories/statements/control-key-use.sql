with uses as (
  select * from json_to_recordset($1::text::json)
    as u(id text, version int, "publicKey" text, at float8, client text)
), used as (
  select s.key_id, s.version, u.at, u.client from api_key_secrets s
  join uses u on u.id = s.key_id and u.version = s.version
  for no key update of s skip locked
), used_public as (
  select p.key_id, p.thumbprint, u.at, u.client from api_key_public_keys p
  join uses u on u.id = p.key_id and u."publicKey" = p.thumbprint
  for no key update of p skip locked
), noted_public as (
  update api_key_public_keys p set last_used_at = to_timestamp(used.at / 1000), last_used_by = used.client
  from used_public used where p.key_id = used.key_id and p.thumbprint = used.thumbprint
    and (p.last_used_at is null or p.last_used_at <= to_timestamp(used.at / 1000))
)
update api_key_secrets s set last_used_at = to_timestamp(used.at / 1000), last_used_by = used.client
from used where s.key_id = used.key_id and s.version = used.version
  and (s.last_used_at is null or s.last_used_at <= to_timestamp(used.at / 1000));
