import type { Database } from '../../db/database.ts'

/** So many that something is true of, up to a thousand, and the ids of the first few. */
export interface Found {
  readonly count: number
  readonly ids: readonly string[]
}

/** What an operator should see to in a database. */
export interface Upkeep {
  /** API keys that expire within 30 days. */
  readonly expiring: Found
  /** API keys whose old secret is good although a new one was made more than a week ago. */
  readonly rotating: Found
  /** API keys of more than 90 days that nobody has used. */
  readonly unused: Found
  /** Webhooks and streams that are disabled, or have failed for a day. */
  readonly silent: Found
  /** Webhooks and streams whose maker's key was revoked or deleted. */
  readonly unowned: Found
}

const GOOD = 'k.revoked_at is null and (s.expires_at is null or s.expires_at > now())'
const CURRENT = `s.ends_at is null and not s.ends_on_use`

const QUESTIONS: Readonly<Record<keyof Upkeep, string>> = {
  expiring: `select k.id from api_key_secrets s join api_keys k on k.id = s.key_id
    where s.expires_at > now() and s.expires_at <= now() + interval '30 days' and ${GOOD} and ${CURRENT}`,
  rotating: `select k.id from api_key_secrets s join api_keys k on k.id = s.key_id
    where ${GOOD} and (s.ends_at is null or s.ends_at > now()) and exists (
      select 1 from api_key_secrets n
      where n.key_id = s.key_id and n.version > s.version and n.created_at < now() - interval '7 days')`,
  unused: `select k.id from api_keys k join api_key_secrets s on s.key_id = k.id
    where ${GOOD} and ${CURRENT} and k.created_at < now() - interval '90 days'
      and not exists (select 1 from api_key_secrets u where u.key_id = k.id and u.last_used_at is not null)
      and not exists (select 1 from api_key_public_keys u where u.key_id = k.id and u.last_used_at is not null)`,
  silent: `select w.id::text from webhook_endpoints w
    where not w.enabled or w.failing_since < now() - interval '1 day'`,
  unowned: `select w.id::text from audit_entries a join webhook_endpoints w on w.id::text = a.target_id
    where a.action in ('webhook.created', 'stream.created') and a.actor not in ('admin', 'rollcall')
      and not exists (select 1 from api_keys k where k.id = a.actor and k.revoked_at is null)`,
}

/** Looks for what an operator should see to; changes nothing. */
export async function upkeepOf(database: Database): Promise<Upkeep> {
  const found: Partial<Record<keyof Upkeep, Found>> = {}
  for (const [name, question] of Object.entries(QUESTIONS) as [keyof Upkeep, string][]) {
    const [row] = await database.run<{ count: number; ids: string[] | null }>(
      `select count(*)::int as count, (array_agg(f.id))[1:3] as ids from (${question} limit 1000) f(id)`,
      [],
    )
    found[name] = { count: row?.count ?? 0, ids: row?.ids ?? [] }
  }
  return found as Upkeep
}
