import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Schemas } from '../../client/index.ts'
import {
  answered,
  answeredWithTag,
  type Connection,
  connected,
  type GlobalOptions,
  IF_MATCH,
  ifMatch,
} from '../connection.ts'
import { CliError, EXIT } from '../failure.ts'
import { type Io, print, sheet, table } from '../io.ts'

interface CatalogueOptions extends GlobalOptions {
  readonly tenant?: string
  readonly ifMatch?: string
}

/** `rollcall catalogue show|publish|set|remove|withdraw`: the roles and entitlements that users can be given. */
export function catalogueCommands(program: Command, io: Io): void {
  const catalogue = program
    .command('catalogue')
    .description(
      'roles and entitlements that identity providers may give to users: show, publish, set, remove, withdraw',
    )
  const scoped = (name: string, description: string) =>
    catalogue
      .command(name)
      .description(description)
      .option('--tenant <tenant>', 'of this tenant alone; default: of all tenants of the environment')

  scoped('show', 'what is published').action((_: unknown, command: Command) => {
    const options = command.optsWithGlobals<CatalogueOptions>()
    return connected(options, io, async (connection) => {
      const { path, params } = catalogueOf(options, connection)
      const { body, etag } = await answeredWithTag(connection.client.GET(path, { params }))
      print(io, options.json, { ...body, etag }, shown)
    })
  })

  scoped('publish', 'publish a whole catalogue from a file of JSON; the same one again changes nothing')
    .argument('<file>', 'as the admin API takes it, with "kinds" and "entries". /dev/stdin works too')
    .option(...IF_MATCH)
    .action((file: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<CatalogueOptions>()
      return connected(options, io, async (connection) => {
        const { path, params } = catalogueOf(options, connection)
        const guarded = { ...params, ...ifMatch(options.ifMatch) }
        const body = await catalogueIn(file)
        print(io, options.json, await answered(connection.client.PUT(path, { params: guarded, body })), shown)
      })
    })

  scoped('set', 'add an entry, or change the one with this value')
    .argument('<value>', 'what a user has in roles.value or entitlements.value')
    .argument('<name>', 'its name for people')
    .option('--kind <kind>', 'Role, Entitlement, or a kind that was published', 'Role')
    .option('--description <text>', 'what it allows')
    .option('--contains <value...>', 'values of those that it includes')
    .option('--unsupported', 'nobody gets it any more; who has it keeps it')
    .option(...IF_MATCH)
    .action((value: string, displayName: string, _: unknown, command: Command) => {
      const { kind, description, contains, unsupported, ...options } = command.optsWithGlobals<
        CatalogueOptions & { kind: string; description?: string; contains?: string[]; unsupported?: true }
      >()
      const body = {
        ...{ kind, displayName, supported: unsupported !== true },
        ...(description !== undefined && { description }),
        ...(contains !== undefined && { contains }),
      }
      return connected(options, io, async (connection) => {
        const { path, params } = entryOf(options, connection, value)
        const guarded = { ...params, ...ifMatch(options.ifMatch) }
        const entry = await answered(connection.client.PUT(path, { params: guarded, body }))
        print(io, options.json, entry, (one) => table([row(one)]))
      })
    })

  scoped('remove', 'take an entry out: nobody gets it any more, and who has it keeps it')
    .argument('<value>', 'its value')
    .action((value: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<CatalogueOptions>()
      return connected(options, io, async (connection) => {
        const { path, params } = entryOf(options, connection, value)
        await answered(connection.client.DELETE(path, { params }))
        print(io, options.json, { value, removed: true }, () => `${value} is not in the catalogue any more\n`)
      })
    })

  scoped('withdraw', 'publish nothing any more: values of users are not checked, and users keep what they have').action(
    (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<CatalogueOptions>()
      return connected(options, io, async (connection) => {
        const { path, params } = catalogueOf(options, connection)
        await answered(connection.client.DELETE(path, { params }))
        print(io, options.json, { withdrawn: true }, () => 'the catalogue is withdrawn\n')
      })
    },
  )
}

const ENVIRONMENT = '/projects/{project}/environments/{environment}'
const [SHARED, OWN] = [`${ENVIRONMENT}/catalogue`, `${ENVIRONMENT}/tenants/{tenant}/catalogue`] as const

// The paths of both levels take and give the same, so the type of one stands for either.
function catalogueOf({ tenant }: CatalogueOptions, { place }: Connection) {
  const path = { ...place, ...(tenant === undefined ? {} : { tenant }) }
  return { path: (tenant === undefined ? SHARED : OWN) as typeof SHARED, params: { path } }
}

function entryOf(options: CatalogueOptions, connection: Connection, value: string) {
  const { path, params } = catalogueOf(options, connection)
  return { path: `${path}/entries/{value}` as const, params: { path: { ...params.path, value } } }
}

/** @throws {CliError} for what is no JSON; what is in it, the gateway judges */
async function catalogueIn(file: string): Promise<Schemas['CatalogueInput']> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Schemas['CatalogueInput']
  } catch (error) {
    throw new CliError(EXIT.usage, `${file} cannot be read as JSON: ${error instanceof Error ? error.message : error}`)
  }
}

const row = ({ kind, value, displayName, supported, description }: Schemas['CatalogueEntry']) => ({
  ...{ kind, value, name: displayName, given: supported ? 'yes' : 'no', description },
})

function shown({
  version,
  updatedAt,
  kinds,
  entries,
}: Schemas['Catalogue'] & { readonly etag?: string | null }): string {
  const others = kinds.map(({ name, endpoint, attribute }) => `${name} at ${endpoint}, in ${attribute}`)
  const head = sheet({ version, changed: updatedAt, 'further kinds': others.join('; ') || 'none' })
  return entries.length === 0 ? head : `${head}\n${table(entries.map(row))}`
}
