import { type Command, Option } from 'commander'
import type { Schemas } from '../../client/index.ts'
import { IDENTITY_PROVIDER_NAMES, type IdentityProvider } from '../../tenancy/identity-providers.ts'
import { allOf, answered, connected, type GlobalOptions, listed } from '../connection.ts'
import { type Io, print, sheet, table } from '../io.ts'
import { moment, wholeNumber } from '../values.ts'

const LINKS = '/projects/{project}/environments/{environment}/tenants/{tenant}/setup-links'

/** `rollcall link create|list|revoke`: links to the set-up portal of a tenant. */
export function linkCommands(program: Command, io: Io): void {
  const link = program
    .command('link')
    .description('set-up links, by which an IT admin of a customer connects an identity provider: make, list, revoke')

  link
    .command('create')
    .description('make a link; it is shown this once')
    .argument('<tenant>', 'key or id')
    .argument('<name>', 'whom it is for')
    .option(
      '--expires <time>',
      'when it ends, such as 2027-01-31T00:00:00Z; default: in 7 days; at most: in 90',
      moment,
    )
    .option('--max-visitors <number>', 'how many browsers may begin a session with it; default: 10', wholeNumber)
    .addOption(
      new Option('--identity-provider <name>', 'whose steps are shown first').choices([...IDENTITY_PROVIDER_NAMES]),
    )
    .action((tenant: string, name: string, _: unknown, command: Command) => {
      const { expires, maxVisitors, identityProvider, ...options } = command.optsWithGlobals<
        GlobalOptions & { expires?: string; maxVisitors?: number; identityProvider?: IdentityProvider }
      >()
      const body = {
        ...{ name, ...(expires !== undefined && { expiresAt: expires }) },
        ...(maxVisitors !== undefined && { maxVisitors }),
        ...(identityProvider !== undefined && { identityProvider }),
      }
      return connected(options, io, async ({ client, place }) => {
        const made = await answered(client.POST(LINKS, { params: { path: { ...place, tenant } }, body }))
        print(io, options.json, made, (link) => `${sheet(row(link))}\n${link.url}\n\nIt is not shown again.\n`)
      })
    })

  link
    .command('list')
    .description('the links of a tenant; ended ones too')
    .argument('<tenant>', 'key or id')
    .action((tenant: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client, place }) => {
        const path = { ...place, tenant }
        const pages = listed((query) => answered(client.GET(LINKS, { params: { path, query } })))
        print(io, options.json, await allOf(pages), (links) => table(links.map(row)))
      })
    })

  link
    .command('revoke')
    .description('end a link and the sessions of its visitors at once; the keys that were made with it stay')
    .argument('<tenant>', 'key or id')
    .argument('<id>', 'id of the link')
    .action((tenant: string, id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client, place }) => {
        const path = { ...place, tenant, setupLink: id }
        await answered(client.DELETE(`${LINKS}/{setupLink}`, { params: { path } }))
        print(io, options.json, { id, revoked: true }, () => `${id} is revoked\n`)
      })
    })
}

const row = (link: Schemas['SetupLink']) => ({
  ...{ id: link.id, name: link.name, 'identity provider': link.identityProvider ?? '' },
  ...{ visitors: `${link.visitors} of ${link.maxVisitors}`, 'last visit': link.lastVisitAt ?? 'never' },
  expires: link.revokedAt === null ? link.expiresAt : 'revoked',
})
