import { setTimeout as pause } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { ConnectionMistake } from '../config/connection-string.ts'
import { connectPostgres } from '../db/connect.ts'
import { MirrorRefused, type Transaction } from './types.ts'

/** One to write, one that holds the lead, one for status. */
const CONNECTIONS = 3
/** While a mirror holds the lead it says so as often, so that neither side takes a silent connection for dead. */
const BEAT_MS = 10_000
/** A mirror that was killed is gone in a moment; one that is at work may stay for months. */
const [FIRST_LOOK_MS, STANDBY_MS] = [20, 1_000]

/** The application's database, as far as a mirror needs it. */
export interface MirrorDatabase {
  /** Name of the schema, quoted. */
  readonly schema: string
  query: Transaction['query']
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /**
   * Waits until no other mirror writes the schema, and then holds the lead. The signal is aborted where the lead is lost: the
   * connection that holds it is gone. Undefined where it was not to be had, and `wait` is false or `signal` aborted.
   */
  lead(wait: boolean, signal: AbortSignal, waiting: () => void): Promise<Lead | undefined>
  close(): Promise<void>
}

/** The right to write, which one mirror has at a time. */
export interface Lead {
  readonly lost: AbortSignal
  release(): Promise<void>
}

/** @throws {MirrorRefused} for a URL or a name that cannot be used */
export function openMirrorDatabase(url: string, schema: string): MirrorDatabase {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    throw new MirrorRefused(`"${schema}" is no name for the schema: take small letters, digits and _`)
  const sql = connected(url)
  const query = queryOver(sql)
  const transaction: MirrorDatabase['transaction'] = (work) =>
    sql.begin((tx) => work({ query: queryOver(tx) })) as Promise<never>
  return {
    schema: `"${schema}"`,
    ...{ query, transaction },
    lead: (wait, signal, waiting) => takeLead(sql, schema, { wait, signal, waiting }),
    close: () => sql.end({ timeout: 5 }),
  }
}

function connected(url: string): Sql {
  try {
    // No statement has a name: behind a pooler the next one may run on another connection.
    return connectPostgres(withoutSearchPath(url), { max: CONNECTIONS, prepare: false })
  } catch (error) {
    if (error instanceof ConnectionMistake) throw new MirrorRefused(`the URL of the database ${error.message}`)
    throw error
  }
}

/** Statements name the schema, so what a URL says of other ones is the application's own. */
function withoutSearchPath(url: string): string {
  const [address = '', query] = url.split(/\?(.*)/s)
  if (query === undefined) return url
  const rest = query.split('&').filter((part) => !/^(?:schema|search_path|currentSchema)=/.test(part))
  return rest.length === 0 ? address : `${address}?${rest.join('&')}`
}

const queryOver =
  (sql: Pick<Sql, 'unsafe'>): Transaction['query'] =>
  async <Row extends object>(statement: string, values: readonly (string | number | boolean | null)[] = []) =>
    [...(await sql.unsafe(statement, values as never[]))] as unknown as Row[]

/**
 * The lead is an advisory lock of a transaction that stays open, so it works behind poolers in transaction mode, and ends with the
 * connection: after a kill another mirror goes on at once. The transaction has neither written nor a snapshot, so it holds up no
 * vacuum.
 */
async function takeLead(
  sql: Sql,
  schema: string,
  { wait, signal, waiting }: { wait: boolean; signal: AbortSignal; waiting: () => void },
): Promise<Lead | undefined> {
  for (let pauseMs = FIRST_LOOK_MS; !signal.aborted; pauseMs = Math.min(STANDBY_MS, pauseMs * 2)) {
    const lead = await tryLead(sql, schema)
    if (lead !== undefined || !wait) return lead
    if (pauseMs === FIRST_LOOK_MS) waiting()
    await pause(pauseMs, undefined, { signal }).catch(() => {})
  }
  return undefined
}

function tryLead(sql: Sql, schema: string): Promise<Lead | undefined> {
  return new Promise((resolve, reject) => {
    const lost = new AbortController()
    const released = new AbortController()
    const held = sql
      .begin(async (tx) => {
        const [row] = await tx.unsafe<{ taken: boolean }[]>(
          `select pg_try_advisory_xact_lock(hashtext('rollcall mirror'), hashtext($1)) as taken`,
          [schema],
        )
        if (row?.taken !== true) return false
        await tx.unsafe(`set local idle_in_transaction_session_timeout = 0`)
        resolve({
          lost: lost.signal,
          release: async () => {
            released.abort()
            await held
          },
        })
        while (!released.signal.aborted) {
          await pause(BEAT_MS, undefined, { signal: released.signal, ref: false }).catch(() => {})
          if (!released.signal.aborted) await tx.unsafe('select 1')
        }
        return true
      })
      .then(
        (taken) => {
          if (!taken) resolve(undefined)
        },
        (error: unknown) => {
          lost.abort()
          // After the lead was given, there is nobody left to tell but by the signal.
          reject(error instanceof Error ? error : new Error(String(error)))
        },
      )
  })
}
