import type { Connection, GlobalOptions } from '../connection.ts'
import { CliError, EXIT } from '../failure.ts'

export const SCOPES = ['instance', 'project', 'environment', 'tenant'] as const

/** Options of every verb of keys. */
export interface KeyOptions extends GlobalOptions {
  readonly tenant?: string
  readonly scope?: (typeof SCOPES)[number]
}

const PATHS = {
  instance: '/api-keys',
  project: '/projects/{project}/api-keys',
  environment: '/projects/{project}/environments/{environment}/api-keys',
  tenant: '/projects/{project}/environments/{environment}/tenants/{tenant}/api-keys',
} as const

/** Where the keys of a place are. @throws {CliError} where --tenant and --scope say different things: a key for more than was meant is not to be made */
export function keysOf({ scope, tenant }: KeyOptions, { place }: Connection) {
  const kind = scope ?? (tenant === undefined ? 'environment' : 'tenant')
  if (kind === 'tenant' && tenant === undefined) throw new CliError(EXIT.usage, '--scope tenant takes --tenant too')
  if (kind !== 'tenant' && tenant !== undefined)
    throw new CliError(EXIT.usage, `--tenant names one tenant, and --scope ${kind} more than that; give one of them`)
  return { path: PATHS[kind], params: { path: { ...place, tenant: tenant ?? '' } } }
}

/** Where one of them is. */
export function oneKey(options: KeyOptions, connection: Connection, apiKey: string) {
  const { path, params } = keysOf(options, connection)
  return { path: `${path}/{apiKey}` as const, params: { path: { ...params.path, apiKey } } }
}
