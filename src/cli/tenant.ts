import type { Command } from 'commander'
import type { Schemas } from '../client/index.ts'
import {
  allOf,
  answered,
  answeredWithTag,
  connected,
  type GlobalOptions,
  gatewayUrl,
  IF_MATCH,
  ifMatch,
  listed,
} from './connection.ts'
import { CliError, EXIT } from './failure.ts'
import { type Io, print, sheet, table } from './io.ts'
import { assignments, wholeNumber } from './values.ts'

const TENANTS = '/projects/{project}/environments/{environment}/tenants'
const TENANT = `${TENANTS}/{tenant}` as const

/** `rollcall tenant create|list|settings|test|move`. */
export function tenantCommands(program: Command, io: Io): void {
  const tenant = program.command('tenant').description('customers: make, list, set, move')

  tenant
    .command('create')
    .description('make a tenant; the answer has the base URL for its identity provider')
    .argument('<key>', "the tenant's key in URLs")
    .option('--name <name>', 'its name for people')
    .option('--set <setting=value...>', 'settings of its own')
    .option('--paused', 'refuse all provisioning until it is resumed')
    .action((key: string, _: unknown, command: Command) => {
      const { name, set, paused, ...options } = command.optsWithGlobals<
        GlobalOptions & { name?: string; set?: string[]; paused?: true }
      >()
      const body = {
        key,
        ...(name !== undefined && { name }),
        ...(set !== undefined && { settings: assignments(set) as Schemas['TenantSettings'] }),
        ...(paused && { paused }),
      }
      return connected(options, io, async ({ client, place }) => {
        const made = await answered(client.POST(TENANTS, { params: { path: place }, body }))
        print(io, options.json, made, shown)
        for (const warning of made.warnings) io.err.write(`rollcall: ${warning}\n`)
      })
    })

  tenant
    .command('list')
    .description('the tenants of the environment, in the order of creation')
    .action((_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client, place }) => {
        const pages = listed((query) => answered(client.GET(TENANTS, { params: { path: place, query } })))
        print(io, options.json, await allOf(pages), (tenants) =>
          table(
            tenants.map(({ key, name, paused, scimBaseUrl }) => ({
              ...{ key, name, paused: paused ? 'yes' : 'no', 'base url': scimBaseUrl },
            })),
          ),
        )
      })
    })

  tenant
    .command('settings')
    .description("show a tenant's settings, or change them and show what is in force then")
    .argument('<tenant>', 'key or id')
    .argument('[setting=value...]', 'new values; null goes back to the value of the environment')
    .option(...IF_MATCH)
    .action((tenant: string, changes: string[], _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { ifMatch?: string }>()
      const settings = assignments(changes)
      return connected(options, io, async ({ client, place }) => {
        const path = { ...place, tenant }
        const { body, etag } =
          changes.length === 0
            ? await answeredWithTag(client.GET(TENANT, { params: { path } }))
            : await answeredWithTag(
                client.PATCH(TENANT, { params: { path, ...ifMatch(options.ifMatch) }, body: { settings } }),
              )
        const own = { settings: body.settings, effectiveSettings: body.effectiveSettings, etag }
        print(io, options.json, own, settingsTable)
      })
    })

  tenant
    .command('test')
    .description('play the conversation of an identity provider, and say what to change where it fails')
    .argument('<tenant>', 'key or id')
    .requiredOption('--identity-provider <name>', 'such as okta or entra; generic for any other')
    .option('--base-url <url>', 'the base URL that it has; else that of the tenant')
    .option('--address <ip>', 'an address from which it sends, where the tenant allows certain ones')
    .option('--schema <urn...>', 'a schema that it maps')
    .action((tenant: string, _: unknown, command: Command) => {
      const { identityProvider, baseUrl, address, schema, ...options } = command.optsWithGlobals<
        GlobalOptions & { identityProvider: string; baseUrl?: string; address?: string; schema?: string[] }
      >()
      if (gatewayUrl(options, io) === undefined)
        throw new CliError(EXIT.usage, 'this tests a running gateway: set ROLLCALL_URL, or give --url')
      const key = io.env.ROLLCALL_TEST_KEY
      const body = {
        identityProvider: identityProvider as Schemas['NewSelfTest']['identityProvider'],
        ...(key && { key }),
        ...(baseUrl !== undefined && { baseUrl }),
        ...(address !== undefined && { address }),
        ...(schema !== undefined && { schemaUrns: schema }),
      }
      return connected(options, io, async ({ client, place }) => {
        const params = { path: { ...place, tenant } }
        const result = await answered(client.POST(`${TENANT}/self-tests`, { params, body }))
        print(io, options.json, result, ({ steps }) => steps.map(tested).join(''))
        const failed = result.steps.filter(({ state }) => state === 'failed').length
        if (failed > 0) throw new CliError(EXIT.unwell, failed === 1 ? 'one step failed' : `${failed} steps failed`)
      })
    })

  tenant
    .command('move')
    .description('move a tenant to another environment or key; its ids, keys, events and settings stay')
    .argument('<tenant>', 'key or id')
    .option('--to-project <project>', 'key or id of the project; without it, the project stays')
    .option('--to-environment <environment>', 'key or id of the environment; without it, the one with the same key')
    .option('--to-key <key>', 'its key there; without it, the key stays')
    .option('--keep-url <days>', 'for how long the old base URL leads to it, for its own keys', wholeNumber, 30)
    .option('--preview', 'tell what would be, and change nothing')
    .action((tenant: string, _: unknown, command: Command) => {
      const { toProject, toEnvironment, toKey, keepUrl, preview, ...options } = command.optsWithGlobals<MoveOptions>()
      const body = {
        ...(toProject !== undefined && { project: toProject }),
        ...(toEnvironment !== undefined && { environment: toEnvironment }),
        ...(toKey !== undefined && { key: toKey }),
        keepFormerUrlDays: keepUrl,
      }
      return connected(options, io, async ({ client, place }) => {
        const request = { params: { path: { ...place, tenant } }, body }
        const moved = preview
          ? await answered(client.POST(`${TENANT}/move/preview`, request))
          : await answered(client.POST(`${TENANT}/move`, request))
        print(io, options.json, moved, movedTable)
      })
    })
}

type MoveOptions = GlobalOptions & {
  toProject?: string
  toEnvironment?: string
  toKey?: string
  keepUrl: number
  preview?: true
}

const movedTable = ({ tenant, formerBaseUrl, differences, droppedDeliveries }: Schemas['TenantMoved']): string => {
  const [kept, others] = [differences.filter(({ kept }) => kept), differences.filter(({ kept }) => !kept)]
  const names = (some: typeof differences) => some.map(({ setting }) => setting).join(', ') || 'none'
  return sheet({
    ...{ key: tenant.key, id: tenant.id, 'SCIM base URL': tenant.scimBaseUrl },
    'old base URL':
      formerBaseUrl === null ? 'leads nowhere' : `${formerBaseUrl.scimBaseUrl} until ${formerBaseUrl.endsAt}`,
    'settings kept as its own': names(kept),
    'settings that differ now': names(others),
    'deliveries not sent': String(droppedDeliveries),
  })
}

const SIGNS = { passed: '✓', failed: '✗', skipped: '-' } as const

const tested = ({ state, title, request, status, problem, remedy }: Schemas['SelfTestStep']): string =>
  [
    `${SIGNS[state]} ${title}${request === null ? '' : `  (${request}: ${status ?? 'no answer'})`}`,
    ...(problem === null ? [] : [`    ${problem}`, `    → ${remedy}`]),
    '',
  ].join('\n')

const shown = ({ key, name, id, paused, scimBaseUrls, logoutUrl }: Schemas['Tenant']): string =>
  sheet({ key, name, id, paused, 'SCIM base URL': scimBaseUrls.join('  '), 'logout URL': logoutUrl })

const settingsTable = (
  tenant: Pick<Schemas['Tenant'], 'settings' | 'effectiveSettings'> & { readonly etag: string | null },
): string =>
  `${table(
    Object.entries(tenant.effectiveSettings).map(([setting, value]) => ({
      setting,
      value: typeof value === 'string' ? value : JSON.stringify(value),
      from: setting in tenant.settings ? 'the tenant' : 'inherited',
    })),
  )}\nETag ${tenant.etag ?? 'none'}\n`
