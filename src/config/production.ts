import { type Config, ConfigError, isProduction, loadConfig } from '../config.ts'
import { type Environment, given, type variables } from './variables.ts'

/** The variables that production needs, each with the line for an operator who has not set it. */
const NEEDED_IN_PRODUCTION: readonly (readonly [name: keyof typeof variables.shape, line: string])[] = [
  ['PUBLIC_URL', 'is not set; set it to the URL that clients use, such as https://scim.example.com'],
  ['SECRETS_KEY', 'is not set; make one: openssl rand -base64 32'],
  [
    'TRUST_PROXY',
    'is not set; set it to none, a header such as Fly-Client-IP, the number of proxies in front, or their networks',
  ],
]

/** One line for each variable that production needs and that is not set. */
export function missingInProduction(env: Environment): string[] {
  const set = given(env)
  return NEEDED_IN_PRODUCTION.flatMap(([name, line]) => (set[name] === undefined ? [`${name} ${line}`] : []))
}

/**
 * The configuration of a gateway that serves clients: as `loadConfig`, but production refuses to start where one of the
 * variables above is not set.
 *
 * @throws {ConfigError} naming every variable that is wrong, or that is missing in production
 */
export function loadServingConfig(env: Environment): Config {
  const config = loadConfig(env)
  const missing = isProduction(env) ? missingInProduction(env) : []
  if (missing.length > 0) throw new ConfigError(missing)
  return config
}
