import { type Command, Option } from 'commander'
import type { Schemas } from '../client/index.ts'
import {
  allOf,
  answered,
  type Connection,
  connected,
  type GlobalOptions,
  IF_MATCH,
  ifMatch,
  listed,
} from './connection.ts'
import { CliError, EXIT } from './failure.ts'
import { type Io, print, sheet, table } from './io.ts'
import { moment, wholeNumber } from './values.ts'

const SCOPES = ['instance', 'project', 'environment', 'tenant'] as const
const PERMISSIONS = [
  ...(['scim:read', 'scim:write', 'directory:read', 'admin'] as const),
  ...(['requests:reveal', 'ssf.read', 'ssf.manage'] as const),
]

interface KeyOptions extends GlobalOptions {
  readonly tenant?: string
  readonly scope?: (typeof SCOPES)[number]
}

/** `rollcall key create|rotate|change|revoke|list`. A key is made for, and looked for in, the tenant or scope that is named. */
export function keyCommands(program: Command, io: Io): void {
  const key = program.command('key').description('API keys: make, rotate, change, revoke, list')
  const scoped = (name: string, description: string) =>
    key
      .command(name)
      .description(description)
      .option('--tenant <tenant>', 'of this tenant')
      .addOption(
        new Option('--scope <scope>', 'default: the tenant where one is named, else the environment').choices(SCOPES),
      )

  scoped('create', 'make a key; it is shown this once')
    .argument('<name>', 'what the key is for')
    .addOption(new Option('--permission <permission...>', 'default: scim:read scim:write').choices(PERMISSIONS))
    .option(
      '--expires <time>',
      'when it ends, such as 2027-01-31T00:00:00Z; default, and at most: in 365 days; with admin, not after the key that asks',
      moment,
    )
    .option('--tokens-may-mint-admin-keys', 'let access tokens of the key make keys with admin too')
    .action((name: string, _: unknown, command: Command) => {
      const { permission, expires, tokensMayMintAdminKeys, ...options } = command.optsWithGlobals<
        KeyOptions & { permission?: (typeof PERMISSIONS)[number][]; expires?: string; tokensMayMintAdminKeys?: true }
      >()
      const body = {
        ...{ name, ...(permission && { permissions: permission }), ...(expires && { expiresAt: expires }) },
        ...(tokensMayMintAdminKeys && { tokensMayMintAdminKeys }),
      }
      return connected(options, io, async (connection) => {
        const { path, params } = keysOf(options, connection)
        print(io, options.json, await answered(connection.client.POST(path, { params, body })), shownWithKey)
      })
    })

  scoped('list', 'the keys of the place and of all below it; revoked ones too').action(
    (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<KeyOptions>()
      return connected(options, io, async (connection) => {
        const { path, params } = keysOf(options, connection)
        const pages = listed<Schemas['ApiKey']>((query) =>
          answered(connection.client.GET(path, { params: { ...params, query } })),
        )
        print(io, options.json, await allOf(pages), (keys) => table(keys.map(row)))
      })
    },
  )

  scoped('rotate', 'give a key a new secret, shown this once; the old one stays good for a day, or as said')
    .argument('<id>', 'id of the key')
    .option('--keep-old <seconds>', 'how long the old secret stays good; 0 where it has leaked', wholeNumber)
    .option('--until-new-is-used', 'end the old secret once the new one is seen in use')
    .option('--expires <time>', 'when the key ends with its new secret; default: it lives as long again', moment)
    .addOption(new Option('--end-old', 'end the old secret of a rotation now').conflicts(['keepOld', 'untilNewIsUsed']))
    .addOption(
      new Option('--undo', 'end the new secret of a rotation now').conflicts(['keepOld', 'untilNewIsUsed', 'endOld']),
    )
    .action((id: string, _: unknown, command: Command) => {
      const { keepOld, untilNewIsUsed, expires, endOld, undo, ...options } = command.optsWithGlobals<
        KeyOptions & { keepOld?: number; untilNewIsUsed?: true; expires?: string; endOld?: true; undo?: true }
      >()
      const body = {
        ...(keepOld !== undefined && { keepOldForSeconds: keepOld }),
        ...(untilNewIsUsed && { untilNewIsUsed }),
        ...(expires && { expiresAt: expires }),
      }
      return connected(options, io, async (connection) => {
        const { client } = connection
        const { path, params } = oneKey(options, connection, id)
        if (endOld) print(io, options.json, await answered(client.DELETE(`${path}/rotation/old`, { params })), shown)
        else if (undo) print(io, options.json, await answered(client.DELETE(`${path}/rotation`, { params })), shown)
        else print(io, options.json, await answered(client.POST(`${path}/rotation`, { params, body })), shownWithKey)
      })
    })

  scoped('change', 'say whether access tokens of a key may make keys with admin')
    .argument('<id>', 'id of the key')
    .addOption(
      new Option('--tokens-may-mint-admin-keys <answer>', 'yes or no').choices(['yes', 'no']).makeOptionMandatory(),
    )
    .option(...IF_MATCH)
    .action((id: string, _: unknown, command: Command) => {
      const { tokensMayMintAdminKeys: answer, ...options } = command.optsWithGlobals<
        KeyOptions & { tokensMayMintAdminKeys: 'yes' | 'no'; ifMatch?: string }
      >()
      const body = { tokensMayMintAdminKeys: answer === 'yes' }
      return connected(options, io, async (connection) => {
        const { path, params } = oneKey(options, connection, id)
        const guarded = { ...params, ...ifMatch(options.ifMatch) }
        print(io, options.json, await answered(connection.client.PATCH(path, { params: guarded, body })), shown)
      })
    })

  scoped('revoke', 'end a key for good, within a second')
    .argument('<id>', 'id of the key')
    .action((id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<KeyOptions>()
      return connected(options, io, async (connection) => {
        const { path, params } = oneKey(options, connection, id)
        await answered(connection.client.DELETE(path, { params }))
        print(io, options.json, { id, revoked: true }, () => `${id} is revoked\n`)
      })
    })
}

const PATHS = {
  instance: '/api-keys',
  project: '/projects/{project}/api-keys',
  environment: '/projects/{project}/environments/{environment}/api-keys',
  tenant: '/projects/{project}/environments/{environment}/tenants/{tenant}/api-keys',
} as const

/** @throws {CliError} where --tenant and --scope say different things: a key for more than was meant is not to be made */
function keysOf({ scope, tenant }: KeyOptions, { place }: Connection) {
  const kind = scope ?? (tenant === undefined ? 'environment' : 'tenant')
  if (kind === 'tenant' && tenant === undefined) throw new CliError(EXIT.usage, '--scope tenant takes --tenant too')
  if (kind !== 'tenant' && tenant !== undefined)
    throw new CliError(EXIT.usage, `--tenant names one tenant, and --scope ${kind} more than that; give one of them`)
  return { path: PATHS[kind], params: { path: { ...place, tenant: tenant ?? '' } } }
}

function oneKey(options: KeyOptions, connection: Connection, apiKey: string) {
  const { path, params } = keysOf(options, connection)
  return { path: `${path}/{apiKey}` as const, params: { path: { ...params.path, apiKey } } }
}

const row = ({ id, name, scope, permissions, expiresAt, revokedAt, lastUsedAt }: Schemas['ApiKey']) => ({
  ...{ id, name, for: scope.kind, permissions: permissions.join(' ') },
  ...{ 'last used': lastUsedAt ?? 'never', expires: revokedAt === null ? (expiresAt ?? 'never') : 'revoked' },
})

const shown = (key: Schemas['ApiKey']): string =>
  sheet({
    ...row(key),
    ...(key.tokensMayMintAdminKeys && { 'its tokens': 'may make keys with admin' }),
    ...(key.warnings.length > 0 && { warnings: key.warnings.join('; ') }),
  })

const shownWithKey = (key: Schemas['CreatedApiKey']): string => `${shown(key)}\n${key.key}\n\nIt is not shown again.\n`
