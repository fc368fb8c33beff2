import type { Command } from 'commander'
import type { Schemas } from '../../client/index.ts'
import { allOf, answered, type Connection, connected, type GlobalOptions, listed } from '../connection.ts'
import { type Io, print, sheet, table } from '../io.ts'

const DOMAINS = '/projects/{project}/environments/{environment}/tenants/{tenant}/domains'
const DOMAIN = `${DOMAINS}/{domain}` as const

/** `rollcall domains add|verify|set|list|delete`: domains of e-mail addresses that are a tenant's own. */
export function domainCommands(program: Command, io: Io): void {
  const domains = program
    .command('domains')
    .description('domains of e-mail addresses that are a tenant’s own: add, verify, set, list, delete')
  const named = (name: string, description: string) =>
    domains
      .command(name)
      .description(description)
      .argument('<tenant>', 'key or id')
      .argument('<domain>', 'such as acme.example')
  const asking =
    <T>(ask: (to: Connection, tenant: string, domain: string) => Promise<T>, human: (done: T) => string) =>
    (tenant: string, domain: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async (to) => print(io, options.json, await ask(to, tenant, domain), human))
    }

  named('add', 'add a domain that is to be verified; says which DNS record it takes').action(
    asking(
      ({ client, place }, tenant, domain) =>
        answered(client.POST(DOMAINS, { params: { path: { ...place, tenant } }, body: { domain } })),
      ({ record }) =>
        `Make this DNS record, and verify the domain:\n\n${record.name}  ${record.type}  ${record.value}\n`,
    ),
  )
  named('verify', 'verify a domain by its DNS record').action(
    asking(
      ({ client, place }, tenant, domain) =>
        answered(client.POST(`${DOMAIN}/verify`, { params: { path: { ...place, tenant, domain } } })),
      (done) => sheet(row(done)),
    ),
  )
  named('set', 'say as the operator that a domain is the tenant’s own, without DNS')
    .option('--take-over', 'take it from another tenant of the environment that has verified it')
    .action((tenant: string, domain: string, _: unknown, command: Command) => {
      const { takeOver = false, ...options } = command.optsWithGlobals<GlobalOptions & { takeOver?: true }>()
      return connected(options, io, async ({ client, place }) => {
        const params = { path: { ...place, tenant, domain } }
        const done = await answered(client.PUT(DOMAIN, { params, body: { takeOver } }))
        print(io, options.json, done, (one) => sheet(row(one)))
      })
    })
  named('delete', 'delete a domain; users who were linked by it stay linked').action(
    asking(
      async ({ client, place }, tenant, domain) => {
        await answered(client.DELETE(DOMAIN, { params: { path: { ...place, tenant, domain } } }))
        return { domain }
      },
      (done) => `${done.domain} was deleted\n`,
    ),
  )

  domains
    .command('list')
    .description('the domains of a tenant')
    .argument('<tenant>', 'key or id')
    .action((tenant: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client, place }) => {
        const path = { ...place, tenant }
        const pages = listed((query) => answered(client.GET(DOMAINS, { params: { path, query } })))
        print(io, options.json, await allOf(pages), (all) => (all.length === 0 ? 'no domains\n' : table(all.map(row))))
      })
    })
}

const row = ({ domain, verifiedBy, verifiedAt, record }: Schemas['Domain']) => ({
  ...{
    domain,
    verified: verifiedBy === null ? 'no' : `by ${verifiedBy}`,
    since: verifiedAt ?? '',
    record: record.value,
  },
})
