import { accessSync, constants, existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Config, ConfigError, loadConfig } from '../config.ts'
import { CannotOpen } from '../db/errors.ts'
import { type Inspection, inspectDatabase } from '../db/inspect.ts'
import { openAsItIs } from '../db/open.ts'
import { careOf, storedCare } from './care.ts'
import { reach } from './probe.ts'

/** What one check found; `mend` says what to do about what is `wrong`. */
export interface Finding {
  readonly check:
    | ('config' | 'production' | 'address' | 'cookies' | 'first keys' | 'files')
    | ('database' | 'migrations' | 'clock' | 'secrets key')
    | ('key age' | 'old secrets' | 'unused keys' | 'webhooks' | 'webhook keys')
    | ('reachability' | 'admin key')
  readonly state: 'ok' | 'wrong' | 'skipped'
  readonly found: string
  readonly mend?: string
}

/** Where to look; a gateway's URL and key where they are known. */
export interface Patient {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly url: string | undefined
  readonly key: string | undefined
}

/** Two clocks may differ by this much before anybody notices. */
const MOST_DRIFT_MS = 2_000
const OLDEST_POSTGRES = 15

/**
 * Looks at configuration, files, database, migrations, clock, keys, webhooks and the running gateway; changes nothing on
 * PostgreSQL.
 */
export async function checkUp({ env, url, key }: Patient): Promise<Finding[]> {
  const { config, findings } = configuration(env)
  const reached = await reach({ url: url ?? config?.publicUrl ?? localUrl(config), key })
  const expected = url !== undefined || config?.publicUrl !== undefined
  const answers = reached.some(({ check, state }) => check === 'reachability' && state === 'ok')
  const care = config === undefined ? [] : await careOf(config, env)
  const stored = config === undefined ? [] : await database(config, answers)
  const beside = reached.map((finding) => (answers || expected ? finding : notStarted(finding)))
  return [...findings, ...care, ...stored, ...beside]
}

const localUrl = (config: Config | undefined) => `http://127.0.0.1:${config?.port || 8080}`

/** Nobody said that a gateway should be running. */
const notStarted = ({ check, found }: Finding): Finding => ({ check, state: 'skipped', found })

function configuration(env: Patient['env']): { config: Config | undefined; findings: Finding[] } {
  try {
    const config = loadConfig(env)
    return { config, findings: [{ check: 'config', state: 'ok', found: 'every variable can be used' }] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const mend = 'change the variable or take it away; .env.example lists them all'
    return {
      config: undefined,
      findings: error.lines.map((found) => ({ check: 'config', state: 'wrong', found, mend })),
    }
  }
}

async function database(config: Config, gatewayAnswers: boolean): Promise<Finding[]> {
  const { databaseUrl, dataDir } = config
  if (databaseUrl === undefined && !existsSync(join(dataDir, 'database'))) return [notThere(dataDir)]
  try {
    const opened = await openAsItIs(config)
    try {
      const seen = await inspectDatabase(opened)
      const findings = inspected(seen, databaseUrl !== undefined)
      // Tables of another version are not asked for what this one keeps in them.
      return seen.missing > 0 || seen.newer ? findings : [...findings, ...(await storedCare(opened, config))]
    } finally {
      await opened.close()
    }
  } catch (error) {
    if (!(error instanceof CannotOpen)) throw error
    return [unopened(error.message, databaseUrl !== undefined, gatewayAnswers)]
  }
}

/** There is no embedded database yet; but can there be one? */
function notThere(dataDir: string): Finding {
  const check = 'database'
  let nearest = resolve(dataDir)
  while (!existsSync(nearest)) nearest = dirname(nearest)
  try {
    // What is no folder has nothing of this name in it.
    accessSync(`${nearest}/.`, constants.W_OK | constants.X_OK)
  } catch (error) {
    const mend = 'set DATA_DIR to a folder in which this account may write'
    return { check, state: 'wrong', found: `there can be none in ${dataDir}: ${(error as Error).message}`, mend }
  }
  return { check, state: 'skipped', found: `there is none in ${dataDir} yet; the first start makes it` }
}

function unopened(found: string, isPostgres: boolean, gatewayAnswers: boolean): Finding {
  if (!isPostgres && gatewayAnswers && found.includes('in use'))
    return { check: 'database', state: 'ok', found: 'the running gateway has it open' }
  const mend = isPostgres
    ? 'see that PostgreSQL runs and takes connections from here, and that DATABASE_URL has the right host, name and password'
    : 'stop the other process, or see that this account may write to DATA_DIR'
  return { check: 'database', state: 'wrong', found, mend }
}

/** What a look at a database says about it. */
export function inspected(
  { version, majorVersion, aheadMs, missing, newer }: Inspection,
  isPostgres: boolean,
): Finding[] {
  const findings: Finding[] = []
  const found = `${isPostgres ? 'PostgreSQL' : 'embedded PostgreSQL'} ${version}`
  if (majorVersion >= OLDEST_POSTGRES) findings.push({ check: 'database', state: 'ok', found })
  else
    findings.push({ check: 'database', state: 'wrong', found, mend: `move to PostgreSQL ${OLDEST_POSTGRES} or later` })

  if (missing > 0)
    findings.push({
      ...{ check: 'migrations', state: 'wrong', found: `${missing} of this version are missing` },
      mend: 'run `rollcall migrate`, or start the gateway, which does it too',
    })
  else if (newer)
    findings.push({
      ...{ check: 'migrations', state: 'wrong', found: 'the tables are of a newer version of Rollcall than this one' },
      mend: 'run the newer version here too',
    })
  else findings.push({ check: 'migrations', state: 'ok', found: 'the tables are up to date' })

  const drift = `the database's clock is ${Math.abs(aheadMs)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} ours`
  if (Math.abs(aheadMs) <= MOST_DRIFT_MS) findings.push({ check: 'clock', state: 'ok', found: drift })
  else
    findings.push({
      ...{ check: 'clock', state: 'wrong', found: drift },
      mend: 'let both machines take their time from NTP (`timedatectl set-ntp true`): keys and tokens expire by it',
    })
  return findings
}
