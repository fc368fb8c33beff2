import { adminClient } from '../../client/index.ts'
import type { Finding } from './finding.ts'

const ANSWER_WITHIN_MS = 5_000

/** Asks a gateway whether it lives, whether its database answers, and whether it accepts the key, where there is one. */
export async function probe({ url, key }: { url: string; key: string | undefined }): Promise<Finding[]> {
  const base = url.replace(/\/$/, '')
  const live = await ask(`${base}/livez`)
  if (typeof live === 'string') {
    const fix = 'start it with `rollcall serve`, or see that PUBLIC_URL or ROLLCALL_URL, DNS and the proxy lead to it'
    return [{ check: 'reachability', state: 'wrong', found: `no gateway answers at ${base}: ${live}`, fix }]
  }
  if (!live.ok) {
    const fix = 'see that the URL is that of the gateway, and that the proxy passes every path on'
    return [{ check: 'reachability', state: 'wrong', found: `${base}/livez answers ${live.status}`, fix }]
  }
  const ready = await ask(`${base}/readyz`)
  if (typeof ready === 'string' || !ready.ok) {
    const fix = "look at the gateway's log, and see that it reaches its database"
    return [{ check: 'reachability', state: 'wrong', found: `the gateway at ${base} has no database`, fix }]
  }
  return [{ check: 'reachability', state: 'ok', found: `a gateway answers at ${base}` }, await accepts(base, key)]
}

async function accepts(origin: string, key: string | undefined): Promise<Finding> {
  const check = 'admin key'
  if (!key) return { check, state: 'skipped', found: 'none given (ROLLCALL_ADMIN_KEY)' }
  const { response, error } = await adminClient({ origin, key }).GET('/projects', { params: { query: { limit: 1 } } })
  // A key for less than the instance may not list projects, and is a good key.
  if (response.ok || (response.status === 403 && !response.headers.has('www-authenticate')))
    return { check, state: 'ok', found: 'the gateway accepts it' }
  const fix =
    'set ROLLCALL_ADMIN_KEY to a key with the permission admin; `rollcall key create` on the database makes one'
  return { check, state: 'wrong', found: error?.detail ?? `the gateway answers ${response.status}`, fix }
}

/** The answer, or why there is none. */
async function ask(url: string): Promise<Response | string> {
  try {
    return await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    return cause instanceof Error ? cause.message || cause.name : String(cause)
  }
}
