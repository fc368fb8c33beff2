import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { parse } from 'yaml'
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

interface MappingOptions extends GlobalOptions {
  readonly tenant?: string
  readonly ifMatch?: string
}
type Mapping = Schemas['MappingInput']['mapping']

const FILE = 'YAML or JSON: names, and how their values are made. /dev/stdin works too'

/** `rollcall mapping show|preview|set|clear|seen`: what the application reads of users as `mapped`. */
export function mappingCommands(program: Command, io: Io): void {
  const mapping = program
    .command('mapping')
    .description(
      'what the application reads of users, made from attributes and groups: show, preview, set, clear, seen',
    )
  const scoped = (name: string, description: string) =>
    mapping
      .command(name)
      .description(description)
      .option('--tenant <tenant>', 'of this tenant alone; default: of all tenants of the environment without their own')

  scoped('show', 'the mapping in force').action((_: unknown, command: Command) => {
    const options = command.optsWithGlobals<MappingOptions>()
    return connected(options, io, async (connection) => {
      const { path, params } = mappingOf(options, connection)
      const { body, etag } = await answeredWithTag(connection.client.GET(path, { params }))
      print(io, options.json, { ...body, etag }, shown)
    })
  })

  scoped('preview', 'what a mapping would give, by the users that there are; it changes nothing')
    .argument('<file>', FILE)
    .option('--people <number>', 'how many users to show for whom something changes', '20')
    .action((file: string, _: unknown, command: Command) => {
      const { people, ...options } = command.optsWithGlobals<MappingOptions & { people: string }>()
      return connected(options, io, async (connection) => {
        const { path, params } = mappingOf(options, connection)
        const query = { limit: Number(people) }
        const body = { mapping: await mappingIn(file) }
        const found = await answered(connection.client.POST(`${path}/preview`, { params: { ...params, query }, body }))
        print(io, options.json, found, previewed)
      })
    })

  scoped('set', 'set the mapping; the same one again changes nothing')
    .argument('<file>', FILE)
    .option(...IF_MATCH)
    .action((file: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<MappingOptions>()
      return connected(options, io, async (connection) => {
        const { path, params } = mappingOf(options, connection)
        const guarded = { ...params, ...ifMatch(options.ifMatch) }
        const body = { mapping: await mappingIn(file) }
        print(io, options.json, await answered(connection.client.PUT(path, { params: guarded, body })), shown)
      })
    })

  scoped('clear', 'take the mapping back: a tenant has that of its environment again').action(
    (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<MappingOptions>()
      return connected(options, io, async (connection) => {
        const { path, params } = mappingOf(options, connection)
        await answered(connection.client.DELETE(path, { params }))
        print(io, options.json, { cleared: true }, () => 'the mapping is taken back\n')
      })
    },
  )

  mapping
    .command('seen')
    .description('attributes of users that were sent and are in no schema, with masked examples')
    .requiredOption('--tenant <tenant>', 'key or id of the tenant')
    .action((_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { tenant: string }>()
      return connected(options, io, async ({ client, place }) => {
        const params = { path: { ...place, tenant: options.tenant } }
        print(io, options.json, await answered(client.GET(`${OWN_PLACE}/seen-attributes`, { params })), seen)
      })
    })
}

const ENVIRONMENT = '/projects/{project}/environments/{environment}'
const OWN_PLACE = `${ENVIRONMENT}/tenants/{tenant}` as const
const [SHARED, OWN] = [`${ENVIRONMENT}/mapping`, `${OWN_PLACE}/mapping`] as const

// The paths of both levels take and give the same, so the type of one stands for either.
function mappingOf({ tenant }: MappingOptions, { place }: Connection) {
  const path = { ...place, ...(tenant === undefined ? {} : { tenant }) }
  return { path: (tenant === undefined ? SHARED : OWN) as typeof SHARED, params: { path } }
}

/** @throws {CliError} for what is neither YAML nor JSON; what is in it, the gateway judges */
async function mappingIn(file: string): Promise<Mapping> {
  try {
    return parse(await readFile(file, 'utf8')) as Mapping
  } catch (error) {
    throw new CliError(EXIT.usage, `${file} cannot be read as YAML: ${error instanceof Error ? error.message : error}`)
  }
}

function shown({ mapping, own }: Schemas['Mapping']): string {
  const rows = Object.entries(mapping).map(([name, made]) => ({
    name,
    made: typeof made === 'string' ? made : JSON.stringify(made),
  }))
  return `${sheet({ own: own ? 'yes' : 'no' })}\n${rows.length === 0 ? 'it gives nothing\n' : table(rows)}`
}

function previewed({ looked, complete, fields, people }: Schemas['MappingPreview']): string {
  const head = sheet({ 'users looked at': `${looked}${complete ? '' : ', and there are more'}` })
  const counts = table(
    fields.map(({ name, kinds, changed }) => ({
      name,
      ...Object.fromEntries(Object.entries({ ...kinds, changed }).map(([kind, count]) => [kind, String(count)])),
    })),
  )
  const rows = (people ?? []).map(({ tenant, name, before, after }) => ({
    ...{ tenant: tenant.key, user: name ?? '' },
    ...{ before: JSON.stringify(before), after: JSON.stringify(after) },
  }))
  return `${head}\n${counts}${rows.length === 0 ? '' : `\n${table(rows)}`}`
}

function seen({ items, requests }: Schemas['SeenAttributes']): string {
  if (items.length === 0) return `none in the latest ${requests} requests\n`
  return table(
    items.map(({ path, type, multiValued, requests: having, examples }) => ({
      ...{ path, type: multiValued ? `${type}, several` : type, requests: `${having} of ${requests}` },
      examples: examples.join(' '),
    })),
  )
}
