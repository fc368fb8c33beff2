import { accessSync, constants, existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { leftOutOf } from '../../config/connection.ts'
import { type Config, ConfigError, loadConfig } from '../../config.ts'
import { CannotOpen } from '../../db/errors.ts'
import { type Inspection, inspectDatabase } from '../../db/inspect.ts'
import { openAsItIs } from '../../db/open.ts'
import { careOf, storedCare } from './care.ts'
import type { Finding } from './finding.ts'
import { probe } from './probe.ts'

/** Where to look; a gateway's URL and key where they are known. */
export interface Target {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly url: string | undefined
  readonly key: string | undefined
}

/** Two clocks may differ by this much without any effect. */
const MOST_DRIFT_MS = 2_000
const OLDEST_POSTGRES = 15

/**
 * Looks at configuration, files, database, migrations, clock, keys, webhooks and the running gateway; changes nothing on
 * PostgreSQL.
 */
export async function checkUp({ env, url, key }: Target): Promise<Finding[]> {
  const { config, findings } = configuration(env)
  const reached = await probe({ url: url ?? config?.publicUrl ?? localUrl(config), key })
  const expected = url !== undefined || config?.publicUrl !== undefined
  const answers = reached.some(({ check, state }) => check === 'reachability' && state === 'ok')
  const care = config === undefined ? [] : await careOf(config, env)
  const stored = config === undefined ? [] : await database(config, answers)
  const beside = reached.map((finding) => (answers || expected ? finding : notStarted(finding)))
  return [...findings, ...care, ...stored, ...beside]
}

const localUrl = (config: Config | undefined) => `http://127.0.0.1:${config?.port || 8080}`

/** The configuration does not say that a gateway should be running. */
const notStarted = ({ check, found }: Finding): Finding => ({ check, state: 'skipped', found })

function configuration(env: Target['env']): { config: Config | undefined; findings: Finding[] } {
  try {
    const config = loadConfig(env)
    const urls = {
      ...{ DATABASE_URL: config.databaseUrl, DIRECT_DATABASE_URL: config.directDatabaseUrl },
      DATABASE_REPLICA_URLS: config.databaseReplicaUrls,
    }
    const leftOut = leftOutOf(urls).map((found): Finding => ({ check: 'config', state: 'skipped', found }))
    return { config, findings: [{ check: 'config', state: 'ok', found: 'every variable can be used' }, ...leftOut] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const fix = 'change the variable or take it away; .env.example lists them all'
    return {
      config: undefined,
      findings: error.lines.map((found) => ({ check: 'config', state: 'wrong', found, fix })),
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
      return seen.missing > 0 || seen.notServed !== undefined
        ? findings
        : [...findings, ...(await storedCare(opened, config))]
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
    const fix = 'set DATA_DIR to a folder in which this account may write'
    return { check, state: 'wrong', found: `there can be none in ${dataDir}: ${(error as Error).message}`, fix }
  }
  return { check, state: 'skipped', found: `there is none in ${dataDir} yet; the first start makes it` }
}

function unopened(found: string, isPostgres: boolean, gatewayAnswers: boolean): Finding {
  if (!isPostgres && gatewayAnswers && found.includes('in use'))
    return { check: 'database', state: 'ok', found: 'the running gateway has it open' }
  const fix = isPostgres
    ? 'see that PostgreSQL runs and takes connections from here, and that DATABASE_URL has the right host, name and password'
    : 'stop the other process, or see that this account may write to DATA_DIR'
  return { check: 'database', state: 'wrong', found, fix }
}

/** What a look at a database says about it. */
export function inspected(
  { version, majorVersion, aheadMs, missing, newer, notServed, lacking }: Inspection,
  isPostgres: boolean,
): Finding[] {
  const findings: Finding[] = []
  const found = `${isPostgres ? 'PostgreSQL' : 'embedded PostgreSQL'} ${version}`
  if (majorVersion >= OLDEST_POSTGRES) findings.push({ check: 'database', state: 'ok', found })
  else
    findings.push({ check: 'database', state: 'wrong', found, fix: `move to PostgreSQL ${OLDEST_POSTGRES} or later` })

  if (missing > 0)
    findings.push({
      ...{ check: 'migrations', state: 'wrong', found: `${missing} of this version are missing` },
      fix: 'run `rollcall migrate`, or start the gateway, which does it too',
    })
  else if (notServed !== undefined)
    findings.push({
      ...{ check: 'migrations', state: 'wrong', found: notServed },
      fix: 'run the newer version here too',
    })
  else if (newer)
    findings.push({
      ...{ check: 'migrations', state: 'ok' },
      found: 'the tables are of a newer version of Rollcall, which this one can serve',
    })
  else findings.push({ check: 'migrations', state: 'ok', found: 'the tables are up to date' })

  if (lacking.length > 0)
    findings.push({
      ...{
        check: 'sessions',
        state: 'wrong',
        found: `a pooler drops settings that keep statements quick: ${lacking.join(', ')}`,
      },
      fix: 'run `rollcall migrate`, which gives them to the role; where the role may not, it says what an administrator has to run',
    })
  else if (isPostgres)
    findings.push({ check: 'sessions', state: 'ok', found: 'every setting of the gateway is in force' })

  const drift = `the database's clock is ${Math.abs(aheadMs)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} ours`
  if (Math.abs(aheadMs) <= MOST_DRIFT_MS) findings.push({ check: 'clock', state: 'ok', found: drift })
  else
    findings.push({
      ...{ check: 'clock', state: 'wrong', found: drift },
      fix: 'let both machines take their time from NTP (`timedatectl set-ntp true`): keys and tokens expire by it',
    })
  return findings
}
