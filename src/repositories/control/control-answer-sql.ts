/** More changes than these between two questions are not told one by one. */
export const MOST_CHANGES = 1_000

/** Definitions of schemas and of streams for the tenant with this id, or for all tenants of the environment. */
const ofPlace = (environmentId: string, isTenant: string) => ({
  definitions: `(select json_agg(json_build_object('kind', d.kind, 'definition', d.definition) order by d.id)
      from schema_definitions d where d.environment_id = ${environmentId} and d.tenant_id ${isTenant})::text`,
  kinds: `(select c.kinds from catalogues c where c.environment_id = ${environmentId} and c.tenant_id ${isTenant})`,
  formats: `(select json_agg(distinct w.stream->>'format' order by w.stream->>'format' desc)
      from webhook_endpoints w where w.environment_id = ${environmentId} and w.tenant_id ${isTenant} and w.stream is not null)`,
})
const [shared, own] = [ofPlace('e.id', 'is null'), ofPlace('t.environment_id', '= t.id')]
const moment = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`
const isLater = (column: string) => `(${column} is null or ${column} > to_timestamp($4::float8 / 1000))`

/**
 * All that a request needs to know of the control plane, as of one moment. A place is looked up from the outside in, as far as
 * the key reaches or the scope that is given. Each name has two branches, of which a null empties one: an `or` would be planned
 * as a look through the table, and so would `exists` of a public key or a trust.
 */
export const ANSWER = `with k as (
  select k.id, k.project_id, k.environment_id, k.tenant_id, k.user_id, k.permissions, k.tokens_may_mint_admin_keys, k.revoked_at
  from api_keys k where k.id = $2::text
), reach as (
  select k.project_id, k.environment_id from k
  where k.revoked_at is null and (
    (select count(*) from api_key_secrets s where s.key_id = k.id and $3::text in (s.hash, s.version::text)
      and ${isLater('s.expires_at')} and ${isLater('s.ends_at')})
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
    select case when action like 'api\\_key.%' then target_id else coalesce(tenant_id, environment_id, project_id)::text end as id
    from audit_entries where seq > $1::bigint and not action like any (array['webhook.%', 'brake.%', 'audit_log.%', 'console_session.%'])
    order by seq limit ${MOST_CHANGES + 1}
  ) c)::text as changed,
  (select json_build_object('projectId', k.project_id, 'environmentId', k.environment_id, 'tenantId', k.tenant_id,
    'userId', k.user_id, 'permissions', k.permissions, 'tokensMayMintAdminKeys', k.tokens_may_mint_admin_keys,
    'revoked', k.revoked_at is not null,
    'secrets', (select json_agg(json_build_object('version', s.version, 'hash', s.hash, 'expiresAt', ${moment('s.expires_at')},
        'endsAt', ${moment('s.ends_at')}, 'endsOnUse', s.ends_on_use) order by s.version)
      from api_key_secrets s where s.key_id = k.id),
    'publicKeys', (select json_agg(json_build_object('thumbprint', p.thumbprint, 'jwk', p.jwk) order by p.created_at, p.thumbprint)
      from api_key_public_keys p where p.key_id = k.id),
    'trusts', (select json_agg(json_build_object('id', f.id, 'issuer', f.issuer, 'jwksUri', f.jwks_uri, 'subject', f.subject,
        'audiences', f.audiences, 'algorithms', f.algorithms) order by f.created_at, f.id)
      from api_key_trusts f where f.key_id = k.id)) from k)::text as key,
  ((select count(*) from reach) + (select count(*) from p where reached) + (select count(*) from e where reached))::int as looked,
  (select json_build_object('id', p.id, 'key', p.key, 'paused', p.paused) from p)::text as project,
  coalesce((select e.id = $13::uuid from e), false) as as_known,
  (select json_build_object('id', e.id, 'key', e.key, 'paused', e.paused, 'formats', ${shared.formats}, 'kinds', ${shared.kinds})
    from e where e.id is distinct from $13::uuid)::text as environment,
  (select e.settings::text from e where e.id is distinct from $13::uuid) as environment_settings,
  (select ${shared.definitions} from e where e.id is distinct from $13::uuid) as environment_definitions,
  (select json_build_object('id', t.id, 'key', t.key, 'paused', t.paused, 'formats', ${own.formats}, 'kinds', ${own.kinds},
     'hasAccounts', t.accounts_since is not null, 'domains', (select json_agg(d.domain order by d.domain) from tenant_domains d
       where d.tenant_id = t.id and d.verified_at is not null)) from t)::text as tenant,
  (select t.settings::text from t) as tenant_settings,
  (select ${own.definitions} from t) as tenant_definitions`

/** The answer; `looked` counts the parts of the place that were looked up. */
export interface AnswerRow {
  readonly last: number
  readonly changed: string | null
  readonly key: string | null
  readonly looked: number
  readonly project: string | null
  readonly as_known: boolean
  readonly environment: string | null
  readonly environment_settings: string | null
  readonly environment_definitions: string | null
  readonly tenant: string | null
  readonly tenant_settings: string | null
  readonly tenant_definitions: string | null
}
