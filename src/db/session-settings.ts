import { setTimeout as pause } from 'node:timers/promises'
import { codeOf } from './errors.ts'
import type { RunStatement } from './migrations.ts'

export const STATEMENT_TIMEOUT_MS = 30_000
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000

/** What every session of the gateway needs, as the server shows it. */
export const SESSION_SETTINGS: Readonly<Record<string, string>> = {
  // Statements are prepared once and run by the million. Planning one for its values costs several times what running
  // it does. They are written so that the one plan is right for all values.
  plan_cache_mode: 'force_generic_plan',
  // Compiling a statement takes longer than running any of ours.
  jit: 'off',
  // Planned for all values, a statement for one group may seem to want most of a table; none of ours ever does.
  enable_seqscan: 'off',
  statement_timeout: String(STATEMENT_TIMEOUT_MS),
  idle_in_transaction_session_timeout: String(IDLE_IN_TRANSACTION_TIMEOUT_MS),
}

/** The same on Citus, which finds the machine of a tenant by the values of a statement: it has no plan for all values. */
export const sessionSettings = (distributed: boolean): Readonly<Record<string, string>> =>
  distributed ? { ...SESSION_SETTINGS, plan_cache_mode: 'force_custom_plan' } : SESSION_SETTINGS

const NAMES = Object.keys(SESSION_SETTINGS)

/** Reads the settings of a session. A pooler may lend another one to the next transaction. */
export const SETTINGS_IN_FORCE = `select json_object_agg(name, setting) as settings from pg_settings
  where name in (${NAMES.map((name) => `'${name}'`).join(', ')})`

/** The names of settings that are not in force. */
export const notInForce = (
  settings: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): string[] => NAMES.filter((name) => settings[name] !== wanted[name])

/** Held until the transaction ends. */
const TURN = `select pg_advisory_xact_lock(hashtext('rollcall settings of sessions'))`

/** A session that has been idle for so long is not being lent at this moment: a pooler lends the one that was used last. */
const UNUSED_MS = 1_000

/**
 * Gives the settings to every new session of this user in this database, however it connects. Poolers drop what a client asks for
 * at its connection, and lend sessions that others have used; what the role has is in all of them.
 *
 * @returns the statements that somebody with more rights has to run; undefined where the user was allowed to
 */
export async function giveSettingsToRole(
  run: RunStatement,
  settings: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const [session] = (await run(
    'select quote_ident(session_user) as who, quote_ident(current_database()) as where',
  )) as [{ who: string; where: string }]
  const statements = Object.entries(settings).map(
    ([name, value]) => `alter role ${session.who} in database ${session.where} set ${name} = '${value}'`,
  )
  try {
    // Sent at once, they are one transaction. Of two that change the same role, PostgreSQL would refuse one.
    await run([TURN, ...statements].join('; '))
  } catch (error) {
    if (codeOf(error) === '42501') return `${statements.join('; ')};`
    throw error
  }
  // Sessions from before have the settings from before. The pooler opens others instead of those that end.
  await pause(UNUSED_MS)
  await run(
    `select pg_terminate_backend(a.pid) from pg_stat_activity a join pg_stat_activity own on own.pid = pg_backend_pid()
     where a.usesysid = own.usesysid and a.datid = own.datid and a.client_addr is not distinct from own.client_addr
       and a.state = 'idle' and a.state_change <= now() - interval '${UNUSED_MS} ms' and a.pid <> own.pid`,
  )
  await run('select pg_terminate_backend(pg_backend_pid())').catch(() => {})
  return undefined
}
