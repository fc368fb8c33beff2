import { type Command, Option } from 'commander'
import type { Schemas } from '../client/index.ts'
import { allOf, answered, connected, IF_MATCH, ifMatch, listed } from './connection.ts'
import { type Io, print, sheet, table } from './io.ts'
import { type KeyOptions, keysOf, oneKey, SCOPES } from './key/place.ts'
import { trustCommands } from './key/trust.ts'
import { moment, wholeNumber } from './values.ts'

const PERMISSIONS = [
  ...(['scim:read', 'scim:write', 'directory:read', 'admin'] as const),
  ...(['requests:reveal', 'ssf.read', 'ssf.manage', 'accounts:write', 'people:erase'] as const),
]

/**
 * `rollcall key create|list|rotate|change|revoke|trust|untrust`. A key is made for, and looked for in, the tenant or scope that
 * is named.
 */
export function keyCommands(program: Command, io: Io): void {
  const key = program
    .command('key')
    .description('API keys: make, rotate, change, revoke, have them trust issuers, list')
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

  trustCommands(scoped, io)
}

const row = ({ id, name, scope, permissions, expiresAt, revokedAt, lastUsedAt }: Schemas['ApiKey']) => ({
  ...{ id, name, for: scope.kind, permissions: permissions.join(' ') },
  ...{ 'last used': lastUsedAt ?? 'never', expires: revokedAt === null ? (expiresAt ?? 'never') : 'revoked' },
})

const shown = (key: Schemas['ApiKey']): string =>
  sheet({
    ...row(key),
    ...(key.tokensMayMintAdminKeys && { 'its tokens': 'may make keys with admin' }),
    ...(key.trusts.length > 0 && { trusts: key.trusts.map(({ id, issuer }) => `${issuer} (${id})`).join(', ') }),
    ...(key.warnings.length > 0 && { warnings: key.warnings.join('; ') }),
  })

const shownWithKey = (key: Schemas['CreatedApiKey']): string => `${shown(key)}\n${key.key}\n\nIt is not shown again.\n`
