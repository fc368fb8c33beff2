import type { Command } from 'commander'
import type { Schemas } from '../client/index.ts'
import { allOf, answered, connected, type GlobalOptions, listed } from './connection.ts'
import { type Io, print, sheet, table } from './io.ts'
import { assignments } from './values.ts'

const TENANTS = '/projects/{project}/environments/{environment}/tenants'
const TENANT = `${TENANTS}/{tenant}` as const

/** `rollcall tenant create|list|settings`. */
export function tenantCommands(program: Command, io: Io): void {
  const tenant = program.command('tenant').description('customers: make, list, set')

  tenant
    .command('create')
    .description('make a tenant; the answer has the base URL for its identity provider')
    .argument('<key>', "the tenant's key in URLs, which never changes")
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
    .action((tenant: string, changes: string[], _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const settings = assignments(changes)
      return connected(options, io, async ({ client, place }) => {
        const params = { params: { path: { ...place, tenant } } }
        const found =
          changes.length === 0
            ? await answered(client.GET(TENANT, params))
            : await answered(client.PATCH(TENANT, { ...params, body: { settings } }))
        const own = { settings: found.settings, effectiveSettings: found.effectiveSettings }
        print(io, options.json, own, settingsTable)
      })
    })
}

const shown = ({ key, name, id, paused, scimBaseUrls }: Schemas['Tenant']): string =>
  sheet({ key, name, id, paused, 'SCIM base URL': scimBaseUrls.join('  ') })

const settingsTable = (tenant: Pick<Schemas['Tenant'], 'settings' | 'effectiveSettings'>): string =>
  table(
    Object.entries(tenant.effectiveSettings).map(([setting, value]) => ({
      setting,
      value: typeof value === 'string' ? value : JSON.stringify(value),
      from: setting in tenant.settings ? 'the tenant' : 'inherited',
    })),
  )
