with k as (
  select k.id, k.project_id, k.environment_id, k.tenant_id, k.user_id, k.permissions, k.tokens_may_mint_admin_keys, k.revoked_at
  from api_keys k where k.id = $2::text
), reach as (
  select k.project_id, k.environment_id from k
  where k.revoked_at is null and (
      (select count(*) from api_key_secrets s where s.key_id = k.id and $3::text in (s.hash, s.version::text)
        and (s.expires_at is null or s.expires_at > to_timestamp($4::float8 / 1000)) and (s.ends_at is null or s.ends_at > to_timestamp($4::float8 / 1000)))
      + (select count(*) from api_key_public_keys p where p.key_id = k.id and p.thumbprint = $3::text)
      + (select count(*) from api_key_trusts f where f.key_id = k.id and f.id::text = $3::text)
  ) > 0
  union all
  select $5::uuid, $6::uuid where $2::text is null
), p as (
  select p.id, p.key, p.paused, r.project_id is null or r.project_id = p.id as reached, r.environment_id as only
  from reach r cross join lateral (
    select * from projects where id = $7::uuid
    union all select * from projects where key_folded = $8::text
  ) p
), e as (
  select e.id, e.key, e.settings, e.paused, p.only is null or p.only = e.id as reached
  from p cross join lateral (
    select * from environments where project_id = p.id and id = $9::uuid
    union all select * from environments where project_id = p.id and key_folded = $10::text
  ) e
  where p.reached
), t as (
  select t.id, t.environment_id, t.key, t.settings, t.paused, t.accounts_since
  from e cross join lateral (
    select * from tenants where environment_id = e.id and id = $11::uuid
    union all select * from tenants where environment_id = e.id and key_folded = $12::text
  ) t
  where e.reached
)
select (select coalesce(max(seq), 0) from audit_entries)::float8 as last,
  (select json_agg(c.id) from (
    select case when action like 'api\_key.%' then target_id else coalesce(tenant_id, environment_id, project_id)::text end as id
    from audit_entries where seq > $1::bigint and not action like any (array['webhook.%', 'brake.%', 'audit_log.%', 'console_session.%'])
    order by seq limit 1001
  ) c)::text as changed,
  (select json_build_object('projectId', k.project_id, 'environmentId', k.environment_id, 'tenantId', k.tenant_id,
      'userId', k.user_id, 'permissions', k.permissions, 'tokensMayMintAdminKeys', k.tokens_may_mint_admin_keys,
      'revoked', k.revoked_at is not null,
      'secrets', (select json_agg(json_build_object('version', s.version, 'hash', s.hash, 'expiresAt', (extract(epoch from s.expires_at) * 1000)::float8,
            'endsAt', (extract(epoch from s.ends_at) * 1000)::float8, 'endsOnUse', s.ends_on_use) order by s.version)
      from api_key_secrets s where s.key_id = k.id),
      'publicKeys', (select json_agg(json_build_object('thumbprint', p.thumbprint, 'jwk', p.jwk) order by p.created_at, p.thumbprint)
      from api_key_public_keys p where p.key_id = k.id),
      'trusts', (select json_agg(json_build_object('id', f.id, 'issuer', f.issuer, 'jwksUri', f.jwks_uri, 'subject', f.subject,
            'audiences', f.audiences, 'algorithms', f.algorithms) order by f.created_at, f.id)
      from api_key_trusts f where f.key_id = k.id)) from k)::text as key,
  ((select count(*) from reach) + (select count(*) from p where reached) + (select count(*) from e where reached))::int as looked,
  (select json_build_object('id', p.id, 'key', p.key, 'paused', p.paused) from p)::text as project,
  coalesce((select e.id = $13::uuid from e), false) as as_known,
  (select json_build_object('id', e.id, 'key', e.key, 'paused', e.paused, 'formats', (select json_agg(distinct w.stream->>'format' order by w.stream->>'format' desc)
      from webhook_endpoints w where w.environment_id = e.id and w.tenant_id is null and w.stream is not null), 'kinds', (select c.kinds from catalogues c where c.environment_id = e.id and c.tenant_id is null))
  from e where e.id is distinct from $13::uuid)::text as environment,
  (select e.settings::text from e where e.id is distinct from $13::uuid) as environment_settings,
  (select (select json_agg(json_build_object('kind', d.kind, 'definition', d.definition) order by d.id)
    from schema_definitions d where d.environment_id = e.id and d.tenant_id is null)::text from e where e.id is distinct from $13::uuid) as environment_definitions,
  (select json_build_object('id', t.id, 'key', t.key, 'paused', t.paused, 'formats', (select json_agg(distinct w.stream->>'format' order by w.stream->>'format' desc)
      from webhook_endpoints w where w.environment_id = t.environment_id and w.tenant_id = t.id and w.stream is not null), 'kinds', (select c.kinds from catalogues c where c.environment_id = t.environment_id and c.tenant_id = t.id),
      'hasAccounts', t.accounts_since is not null, 'domains', (select json_agg(d.domain order by d.domain) from tenant_domains d
      where d.tenant_id = t.id and d.verified_at is not null)) from t)::text as tenant,
  (select t.settings::text from t) as tenant_settings,
  (select (select json_agg(json_build_object('kind', d.kind, 'definition', d.definition) order by d.id)
    from schema_definitions d where d.environment_id = t.environment_id and d.tenant_id = t.id)::text from t) as tenant_definitions;
