import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { type Command, Option } from 'commander'
import type { Schemas } from '../../client/index.ts'
import { quarterOf } from '../../history/quarter.ts'
import { answered, type Connection, connected, type GlobalOptions } from '../connection.ts'
import { CliError, EXIT } from '../failure.ts'
import { type Io, print, sheet, table } from '../io.ts'
import { type ExportQuery, verifyExport, writeManifest } from './verify.ts'

const TENANT = '/projects/{project}/environments/{environment}/tenants/{tenant}'
const HISTORY = `${TENANT}/history` as const

/** What `rollcall history show` takes beside a tenant. */
interface ShowOptions extends GlobalOptions {
  readonly at: string
  readonly person?: string
  readonly group?: string
  readonly role?: string
  readonly kind?: 'people' | 'groups' | 'roles'
}
interface ExportOptions extends GlobalOptions {
  readonly quarter?: string
  readonly from?: string
  readonly until?: string
  readonly format: 'csv' | 'json'
}

/** `rollcall history status|show|export|verify`: who had which access at a time. */
export function historyCommands(program: Command, io: Io): void {
  const history = program
    .command('history')
    .description('who was there, active, in which groups and with which roles at a time, and by which requests')

  history
    .command('status')
    .description('whether there is a history of a tenant, and of which time it tells')
    .argument('<tenant>', 'key or id')
    .action((tenant: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client, place }) => {
        const params = { path: { ...place, tenant } }
        print(io, options.json, await answered(client.GET(`${HISTORY}/status`, { params })), sheet)
      })
    })

  history
    .command('show')
    .description('who was there at a time; or what a person had, or who was in a group or had a role')
    .argument('<tenant>', 'key or id')
    .requiredOption('--at <time>', 'a date such as 2026-03-31, or a moment such as 2026-03-31T12:00:00Z')
    .option('--person <id>', 'groups and roles of this user')
    .option('--group <id>', 'members of this group')
    .option('--role <key>', 'who had this role')
    .addOption(new Option('--kind <kind>', 'what to list').choices(['people', 'groups', 'roles']))
    .action((tenant: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<ShowOptions>()
      if ([options.person, options.group, options.role, options.kind].filter((one) => one !== undefined).length > 1)
        throw new CliError(EXIT.usage, 'give one of --person, --group, --role and --kind')
      return connected(options, io, async (connection) => {
        print(io, options.json, await shown(connection, tenant, options), (all) =>
          all.length === 0 ? 'nobody and nothing\n' : table(all.map(row)),
        )
      })
    })

  history
    .command('export')
    .description('write who had which access in a quarter to a file, with a signed manifest beside it')
    .argument('<tenant>', 'key or id')
    .argument('<file>', 'beside it come <file>.manifest.json and <file>.manifest.jws')
    .option('--quarter <quarter>', 'a quarter that is over, such as 2026-Q1 (UTC)')
    .option('--from <time>', 'in place of a quarter')
    .option('--until <time>', 'in place of a quarter; a date is its last moment')
    .addOption(new Option('--format <format>').choices(['csv', 'json']).default('csv'))
    .action((tenant: string, file: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<ExportOptions>()
      const query = exportQuery(options)
      return connected(options, io, async (connection) => {
        await exportTo(connection, tenant, file, query)
        const manifest = await writeManifest(connection, tenant, file, query)
        print(
          io,
          options.json,
          { file, ...manifest },
          ({ lines, sha256 }) => `${file}: ${lines} lines, sha256 ${sha256}\n`,
        )
      })
    })

  history
    .command('verify')
    .description('check that an export is as its manifest says, and that the gateway has signed that')
    .argument('<file>', 'with <file>.manifest.json and <file>.manifest.jws beside it')
    .option('--keys <file>', 'the keys as they were at /.well-known/history-keys.json, in place of asking the gateway')
    .option('--kid <thumbprint>', 'accept this key alone')
    .action((file: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { keys?: string; kid?: string }>()
      return verifyExport(file, options, io)
    })
}

/** A date or moment as the API takes it. @throws {CliError} */
function momentIn(text: string, endOfDay: boolean): string {
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text)
  const at = Date.parse(isDate ? `${text}T${endOfDay ? '23:59:59.999' : '00:00:00.000'}Z` : text)
  if (Number.isNaN(at)) throw new CliError(EXIT.usage, `"${text}" is no date and no moment`)
  return new Date(at).toISOString()
}

function exportQuery({ quarter, from, until, format }: ExportOptions): ExportQuery {
  if (quarter !== undefined) {
    if (from !== undefined || until !== undefined || quarterOf(quarter) === undefined)
      throw new CliError(EXIT.usage, 'give either a --quarter such as 2026-Q1, or --from and --until')
    return { quarter, format }
  }
  if (from === undefined || until === undefined)
    throw new CliError(EXIT.usage, 'give either a --quarter such as 2026-Q1, or --from and --until')
  return { from: momentIn(from, false), until: momentIn(until, true), format }
}

type Shown = Schemas['HistoryState'] | Schemas['HistoryGrant'] | Schemas['HistoryMember']

async function shown({ client, place }: Connection, tenant: string, options: ShowOptions): Promise<Shown[]> {
  const { person, group, role, kind } = options
  const path = { ...place, tenant }
  const at = momentIn(options.at, true)
  const all: Shown[] = []
  for (let after: string | null | undefined; after !== null; ) {
    const query = { at, limit: 200, ...(after && { after }) }
    const page: { items: Shown[]; next: string | null } =
      person !== undefined
        ? await answered(client.GET(`${HISTORY}/users/{id}`, { params: { path: { ...path, id: person }, query } }))
        : group !== undefined
          ? await answered(client.GET(`${HISTORY}/groups/{id}`, { params: { path: { ...path, id: group }, query } }))
          : role !== undefined
            ? await answered(client.GET(`${HISTORY}/roles/{role}`, { params: { path: { ...path, role }, query } }))
            : await answered(client.GET(HISTORY, { params: { path, query: { ...query, ...(kind && { kind }) } } }))
    all.push(...page.items)
    after = page.next
  }
  return all
}

const row = (one: Shown) => ({
  ...{ kind: one.kind, id: one.id ?? `erased-${one.number}`, name: one.name ?? '' },
  ...('active' in one && { active: one.active === null ? '' : String(one.active) }),
  ...{ since: one.granted?.time ?? 'before the history', request: one.granted?.requestId ?? '' },
  until: one.taken?.time ?? '',
})

/** Writes the export as it comes. @throws {CliError} for a refusal, and where the file cannot be written */
async function exportTo(
  { client, place }: Connection,
  tenant: string,
  file: string,
  query: ExportQuery,
): Promise<void> {
  const params = { path: { ...place, tenant }, query }
  const asked = client.GET(`${HISTORY}/export`, { params, parseAs: 'stream' })
  const body =
    (await answered(asked as Promise<{ data?: ReadableStream<Uint8Array>; response: Response }>)) ?? undefined
  const out = createWriteStream(file)
  const failed = once(out, 'error').then(([error]: Error[]) => {
    throw new CliError(EXIT.usage, `${file} cannot be written: ${error?.message}`)
  })
  failed.catch(() => undefined)
  for await (const piece of body) if (!out.write(piece)) await Promise.race([once(out, 'drain'), failed])
  await Promise.race([new Promise((resolve) => out.end(resolve)), failed])
}
