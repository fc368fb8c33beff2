with input as not materialized (select 0 as ord, $4::uuid as id, $5::text as event,
    $6::text as password_hash, $7::text as resource_type,
    $8::text as external_id, $9::text as unique_key,
    $10::text as display_key, $11::text as label,
    $12::boolean as active, $13::uuid as manager_id,
    $14::text as document, $15::text::jsonb as search
    , $16::text::jsonb as claims),
wanted as materialized (
  select i.ord, i.id, i.external_id, w.rank, w.kind, w.value, w.proves
  from input i cross join lateral jsonb_to_recordset(i.claims) as w(rank int, kind text, value text, proves boolean)
  where not exists (select 1 from accounts o where o.tenant_id = $1::uuid and o.user_id = i.id offset 0)
),
met as materialized (
  select x.ord, x.id, x.account_id, x.seen, min(x.rank) filter (where x.proven) as proof, min(x.rank) as rank from (
    select w.ord, w.id, w.rank, a.account_id, a.user_id as seen, w.proves and k.proves
      and (w.kind = 'id' or (a.external_id = w.external_id) is not false)
      and (a.user_id is null or not exists (select 1 from resources u where u.tenant_id = $1::uuid and u.id = a.user_id offset 0)) as proven
    from wanted w cross join lateral (
      select k.account_id, k.proves from account_keys k
      where k.tenant_id = $1::uuid and k.kind = w.kind and k.value = w.value order by k.account_id limit 20
    ) k cross join lateral (
      select a.account_id, a.user_id, a.external_id from accounts a
      where a.tenant_id = $1::uuid and a.account_id = k.account_id and a.merged_into is null offset 0
    ) a where not exists (
      select 1 from account_reviews v where v.tenant_id = $1::uuid and v.user_id = w.id and v.account_id = a.account_id
        and v.state = 'separate' offset 0
    )
  ) x group by x.ord, x.id, x.account_id, x.seen
),
chosen as materialized (
  select distinct on (c.account_id) c.ord, c.id, c.account_id, c.seen, c.proof from (
    select m.*, min(m.proof) over (partition by m.ord) as best, count(*) over (partition by m.ord, m.proof) as rivals
    from met m where m.proof is not null
  ) c where c.proof = c.best and c.rivals = 1 order by c.account_id, c.ord
),
created as (
  insert into resources (tenant_id, id, resource_type, external_id, unique_key, display_key, label, active,
      manager_id, document, password_hash, version, created_at, modified_at)
  select $1::uuid, i.id, i.resource_type, i.external_id, i.unique_key, i.display_key, i.label, i.active,
    i.manager_id, i.document, i.password_hash,
    1, date_trunc('milliseconds', now()), (select date_trunc('milliseconds', now()) from tenants t where t.id = $1::uuid and not t.deleting)
  from input i order by i.ord
  on conflict (tenant_id, resource_type, unique_key) do nothing
  returning *
),
searched as (
  insert into search_documents (tenant_id, resource_type, resource_id, search)
  select $1::uuid, c.resource_type, c.id, i.search from created c join input i on i.id = c.id
),
linked as (
  update accounts a set user_id = h.id, linked_by = case when h.proof = 1 then 'externalId' when h.proof = 2 then 'userName' else 'email' end, linked_at = date_trunc('milliseconds', now()), version = a.version + 1
  from chosen h join created c on c.id = h.id
  where a.tenant_id = $1::uuid and a.account_id = h.account_id
    and a.account_id = any(array(select account_id from chosen)) and a.user_id is not distinct from h.seen
  returning a.account_id, a.id, a.version, a.user_id, a.linked_by
),
queued as (
  insert into account_reviews (tenant_id, user_id, account_id, state, by, created_at)
  select $1::uuid, c.id, m.account_id, 'waiting', case when m.rank = 1 then 'externalId' when m.rank = 2 then 'userName' else 'email' end, date_trunc('milliseconds', now()) from met m join created c on c.id = m.id
  where not exists (select 1 from linked l where l.user_id = c.id)
  on conflict (tenant_id, user_id, account_id) do nothing
  returning user_id, account_id
),
logged as (
  insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes,
      total_delta, active_delta)
  select $1::uuid, i.event, c.resource_type, c.id, c.version, $2::text, $3::text, c.modified_at,
    '{"after":' || case when c.active is null then c.document
    else left(c.document, -1) || ',"active":' || c.active || '}' end || coalesce((select ',"account":' || to_json(l.account_id)::text from linked l where l.user_id = c.id), '')
    || coalesce((select ',"candidates":' || json_agg(q.account_id)::text from queued q where q.user_id = c.id), '') || '}', 1, (c.resource_type = 'User' and c.active is distinct from false)::int
  from created c join input i on i.id = c.id
  union all
  select $1::uuid, 'account.linked', 'Account', l.id, l.version, $2::text, $3::text, date_trunc('milliseconds', now()),
    json_build_object('account', l.account_id, 'user', l.user_id, 'by', l.linked_by)::text, 0, 0
  from linked l
  returning tenant_id, seq, resource_type, total_delta, active_delta
),
waiting as (
  insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta) select * from logged
)
select r.id::text || case when r.active then 't' when not r.active then 'f' else '-' end
  || case when r.password_hash is null then '-' else 'p' end
  || (date_part('epoch', r.created_at) * 1000)::bigint::text || ' ' || (date_part('epoch', r.modified_at) * 1000)::bigint::text || ' '
  || r.version::text || r.document as packed, case when r.manager_id is not null then (
  select case when m.display_key is null then '' else m.label end
  from resources m where m.tenant_id = $1::uuid and m.id = r.manager_id) end as manager, false as refused, (select json_agg(m.account_id) from met m where m.ord = i.ord)::text as accounts
from input i left join created r on r.id = i.id order by i.ord;
