import type postgres from 'postgres'
import { mintApiKey } from '../../src/auth/api-key.ts'

/** A tenant that is asked something, with a key of its own. */
export interface AskedTenant {
  readonly key: string
  readonly apiKey: string
}

/**
 * Makes `count` tenants in the only environment, past the gateway: each with an API key, a user counted, and a log with one young
 * event. Gives the first `asked` of them with keys that are good. Needs a superuser, who may pass over the references.
 */
export async function fillTenants(sql: postgres.Sql, count: number, asked: number): Promise<AskedTenant[]> {
  const keys = Array.from({ length: asked }, () => mintApiKey())
  await sql.begin(async (tx) => {
    // Triggers stay on: one of them fills the columns by which retention finds what is old.
    await tx.unsafe('set local synchronous_commit = off')
    await tx.unsafe(
      `create temp table made on commit drop as
       select gen_random_uuid() as id, 'many-' || n as key, n, e.id as environment, e.project_id as project
       from generate_series(1, ${count}) n cross join (select * from environments order by id limit 1) e`,
    )
    await tx.unsafe(
      'insert into tenants (id, environment_id, key, key_folded, name) select id, environment, key, key, key from made',
    )
    await tx.unsafe('create temp table minted (n int, id text, hash text) on commit drop')
    await tx.unsafe(
      `insert into minted select o, x->>'id', x->>'hash' from json_array_elements($1::text::json) with ordinality as j(x, o)`,
      [JSON.stringify(keys.map(({ id, hash }) => ({ id, hash })))],
    )
    await tx.unsafe(
      `create temp table keyed on commit drop as
       select m.*, coalesce(k.id, 'filler' || m.n) as key_id, coalesce(k.hash, 'none') as hash from made m left join minted k using (n)`,
    )
    await tx.unsafe(
      `insert into api_keys (id, project_id, environment_id, tenant_id, name, permissions)
       select key_id, project, environment, id, 'bench', '{scim:read,scim:write}' from keyed`,
    )
    await tx.unsafe('insert into api_key_secrets (key_id, version, hash) select key_id, 1, hash from keyed')
    await tx.unsafe(
      `insert into resource_counts (tenant_id, resource_type, total, active) select id, 'User', 1, 1 from made`,
    )
    await tx.unsafe(
      `with told as (
         insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
         select id, 'user.created', 'User', id, 1, 'bench', 'bench', now() - interval '1 day', '{}' from made returning tenant_id, seq
       ) insert into event_positions (tenant_id, position, seq) select tenant_id, 1, seq from told`,
    )
    await tx.unsafe('insert into event_logs (tenant_id, head) select id, 1 from made')
  })
  await sql.unsafe('vacuum analyze')
  return keys.map(({ key }, i) => ({ key: `many-${i + 1}`, apiKey: key }))
}

/** Lets one event of each tenant wait for its position. */
export const leaveUnnumbered = (sql: postgres.Sql) =>
  sql.unsafe(
    `with told as (
       insert into events (tenant_id, type, resource_type, resource_id, version, request_id, actor, occurred_at, changes)
       select id, 'user.updated', 'User', id, 2, 'bench', 'bench', now(), '{}' from tenants where key like 'many-%'
       returning tenant_id, seq, resource_type
     ) insert into waiting_events (tenant_id, seq, resource_type, total_delta, active_delta) select tenant_id, seq, resource_type, 0, 0 from told`,
  )

/** Gives each tenant a webhook to which nothing is due. */
export const addWebhooks = async (sql: postgres.Sql) => {
  await sql.unsafe(
    `insert into webhook_endpoints (id, environment_id, tenant_id, url, description, event_types, secret)
     select gen_random_uuid(), environment_id, id, 'https://hooks.bench.test/', '', '{}', '' from tenants where key like 'many-%'`,
  )
  await sql.unsafe('vacuum analyze webhook_endpoints')
}
