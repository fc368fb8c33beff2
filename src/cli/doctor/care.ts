import { stat } from 'node:fs/promises'
import { BlockList, isIP } from 'node:net'
import { join } from 'node:path'
import { SignInIssuer } from '../../auth/sign-in-issuer.ts'
import { missingInProduction } from '../../config/production.ts'
import { type Config, isProduction } from '../../config.ts'
import type { Database } from '../../db/database.ts'
import { isOpenToOthers } from '../../db/files.ts'
import { keyFileOf, keyInFile } from '../../db/key-file.ts'
import { keysFile } from '../../first-keys.ts'
import { standingOf } from '../../repositories/control/instance-secrets.ts'
import { type Found, type Upkeep, upkeepOf } from '../../repositories/control/upkeep.ts'
import type { Finding } from './finding.ts'

type Environment = Readonly<Record<string, string | undefined>>
type Care = Promise<Finding[]>

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')
const isLoopback = (host: string): boolean => {
  const address = host.replace(/^\[(.*)\]$/, '$1')
  const family = isIP(address)
  return family === 0 ? address === 'localhost' : LOOPBACK.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

const ok = (check: Finding['check'], found: string): Finding => ({ check, state: 'ok', found })
const wrong = (check: Finding['check'], found: string, fix: string): Finding => ({
  check,
  state: 'wrong',
  found,
  fix,
})

/** What a configuration, and the files beside an embedded database, leave open to others. */
export async function careOf(config: Config, env: Environment): Care {
  return [
    ...production(env),
    address(config, env),
    cookies(config),
    ...(await signIn(config)),
    ...(await files(config)),
  ]
}

function production(env: Environment): Finding[] {
  const missing = missingInProduction(env)
  const check = 'production'
  if (!isProduction(env)) {
    const names = missing.map((line) => line.split(' ')[0]).join(', ')
    const needs = missing.length === 0 ? 'it would start there too' : `there ${names} must be set`
    return [{ check, state: 'skipped', found: `NODE_ENV is not production; ${needs}` }]
  }
  if (missing.length === 0) return [ok(check, 'all that production asks for is set')]
  return missing.map((line) => {
    const [found = '', fix = ''] = line.split('; ')
    return wrong(check, `${found}: the start is refused`, fix)
  })
}

function address({ host }: Config, env: Environment): Finding {
  const check = 'address'
  if (isLoopback(host)) return ok(check, `${host} is for this machine alone`)
  if (env.TRUST_PROXY?.trim()) return ok(check, `${host} is open to others, and TRUST_PROXY says what is in front`)
  const fix = 'set TRUST_PROXY, or HOST=127.0.0.1: allow-lists and throttles go by the address that it tells'
  return wrong(check, `${host} is open to others, and TRUST_PROXY does not say what is in front`, fix)
}

function cookies({ host, publicUrl }: Config): Finding {
  const check = 'cookies'
  const url = publicUrl === undefined ? undefined : new URL(publicUrl)
  if (url?.protocol === 'https:') return ok(check, "the console's cookie goes over TLS alone")
  if (isLoopback(url?.hostname ?? host)) return ok(check, "the console's cookie stays on this machine")
  const fix = 'terminate TLS in front, and set PUBLIC_URL to the https address that clients use'
  return wrong(check, "the console's cookie goes without Secure: PUBLIC_URL is not https", fix)
}

/** Whether people can sign in to the console by the issuer that the configuration names. */
async function signIn({ consoleSignIn, publicUrl, deliveryNetworks }: Config): Care {
  const check = 'sign-in'
  if (consoleSignIn === undefined) return []
  const issuer = new SignInIssuer(consoleSignIn, deliveryNetworks)
  const problem = await issuer.look()
  const unreached = `${issuer.host} does not say what it is: ${problem}`
  const reach =
    'see that CONSOLE_OIDC_ISSUER is as its discovery has it; DELIVERY_NETWORKS opens networks that are not public'
  const back = `${new URL(publicUrl ?? 'http://localhost:8080').origin}/console/sign-in/oidc/return`
  const origin = 'set PUBLIC_URL: the issuer sends browsers back to it, and to no address that it does not know'
  return [
    ...(publicUrl === undefined ? [wrong(check, 'PUBLIC_URL is not set', origin)] : []),
    problem === undefined
      ? ok(check, `${issuer.host} answers; the client there is to have the redirect URI ${back}`)
      : wrong(check, unreached, reach),
  ]
}

async function files(config: Config): Care {
  const left = await keysFile(config).path()
  const fix = 'put the keys where you keep secrets, and delete the file'
  const keys = left === undefined ? [] : [wrong('first keys', `the keys of the first start lie in ${left}`, fix)]
  if (config.databaseUrl !== undefined) return keys
  const database = join(config.dataDir, 'database')
  const open: string[] = []
  for (const path of [keyFileOf(config.dataDir), database, join(database, 'PG_VERSION')])
    if ((await isThere(path)) && (await isOpenToOthers(path))) open.push(path)
  if (open.length === 0) return [...keys, ok('files', `no other account may read the files in ${config.dataDir}`)]
  return [...keys, wrong('files', `others may read ${open.join(', ')}`, `run chmod -R go-rwx ${config.dataDir}`)]
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** What an operator should see to in a database whose tables are up to date. */
export async function storedCare(database: Database, config: Config): Care {
  return [await secretsKey(database, config), ...upkept(await upkeepOf(database))]
}

async function secretsKey(database: Database, { secretsKey, databaseUrl, dataDir }: Config): Promise<Finding> {
  const check = 'secrets key'
  const embedded = databaseUrl === undefined
  const key = secretsKey ?? (embedded ? await keyInFile(dataDir) : undefined)
  const where = secretsKey === undefined ? keyFileOf(dataDir) : 'SECRETS_KEY'
  const standing = await standingOf(database, key)
  if (standing === 'another key')
    return wrong(
      check,
      `the secrets in the database are sealed with another key than ${where}`,
      'set the one of before',
    )
  if (key === undefined && !embedded)
    return wrong(
      check,
      'without SECRETS_KEY anyone who reads the database can sign access tokens',
      'set SECRETS_KEY, and keep it apart from the database; make one: openssl rand -base64 32',
    )
  if (standing === 'this key') return ok(check, `what is secret in the database opens with ${where} alone`)
  return ok(check, 'the next start seals what is secret in the database')
}

function upkept({ expiring, rotating, unused, silent, unowned }: Upkeep): Finding[] {
  return [
    one(
      'key age',
      expiring,
      'keys expire within 30 days',
      'rotate each: rollcall key rotate ID',
      'no key expires soon',
    ),
    one(
      'old secrets',
      rotating,
      'keys were rotated more than a week ago, and their old secret is still good',
      'see that the client has the new one, then end the old one: rollcall key rotate ID --end-old',
      'no old secret outlives its rotation by a week',
    ),
    one(
      'unused keys',
      unused,
      'keys of more than 90 days were never used',
      'revoke each that is not needed: rollcall key revoke ID',
      'every key of more than 90 days is used',
    ),
    one(
      'webhooks',
      silent,
      'webhooks and streams are disabled or have failed for a day',
      'fix or enable each receiver, or delete the webhook',
      'no webhook or stream is disabled or failing',
    ),
    one(
      'webhook keys',
      unowned,
      'webhooks and streams were made by keys that are revoked or gone',
      'find out who answers for each, and delete it or make it anew with a key of theirs',
      'every webhook and stream has a maker whose key is there',
    ),
  ]
}

function one(check: Finding['check'], { count, ids }: Found, found: string, fix: string, none: string): Finding {
  if (count === 0) return ok(check, none)
  const more = count > ids.length ? ', …' : ''
  return wrong(check, `${count === 1_000 ? 'at least ' : ''}${count} ${found}: ${ids.join(', ')}${more}`, fix)
}
