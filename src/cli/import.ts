import { stat } from 'node:fs/promises'
import { type Command, InvalidArgumentError } from 'commander'
import type { Schemas } from '../client/index.ts'
import { answered, type Connection, connected, type GlobalOptions } from './connection.ts'
import { CliError, EXIT } from './failure.ts'
import { type Io, print, sheet } from './io.ts'
import { type Progress, progressOn } from './progress.ts'
import { keepHeapSmall, linesOf, type Numbered } from './transfer-file.ts'

const TENANT = '/projects/{project}/environments/{environment}/tenants/{tenant}'
const IMPORT = `${TENANT}/import` as const
const RECORDS_AT_ONCE = 500
/** Well below what the gateway accepts in one request. */
const BYTES_AT_ONCE = 4 * 1_048_576

/** `rollcall import`. */
export function importCommand(program: Command, io: Io): void {
  program
    .command('import')
    .description('import the users, groups and memberships of an export; doing it again changes nothing')
    .argument('<tenant>', 'key or id')
    .argument('<file>', 'what `rollcall export` wrote. /dev/stdin works too')
    .option(
      '--from-line <number>',
      'skip the lines before, which an interrupted import has sent already',
      lineNumber,
      1,
    )
    .action((tenant: string, file: string, _: unknown, command: Command) => {
      keepHeapSmall()
      const { fromLine, ...options } = command.optsWithGlobals<GlobalOptions & { fromLine: number }>()
      return connected(options, io, async (connection) => {
        const done = await importFrom(file, tenant, fromLine, connection, progressOn(io.err))
        print(io, options.json, done, sheet)
      })
    })
}

async function importFrom(file: string, name: string, fromLine: number, connection: Connection, progress: Progress) {
  const { client, place } = connection
  const tenant = await answered(client.GET(TENANT, { params: { path: { ...place, tenant: name } } }))
  const size = (await stat(file).catch(() => undefined))?.size
  const sum = { created: 0, changed: 0, unchanged: 0, members: 0 }
  let records = 0
  let last: Numbered | undefined
  try {
    for await (const batch of batchesOf(linesOf(file))) {
      const wanted = batch.filter(({ number, line }) => number >= fromLine && isRecord(line))
      if (wanted.length > 0) add(sum, await send(wanted, name, connection))
      records += batch.filter(({ line }) => isRecord(line)).length
      last = batch.at(-1)
      progress.show(size ? (last?.bytes ?? 0) / size : undefined, `${tenant.key}: ${records} records`)
    }
  } finally {
    progress.end()
  }
  if (last?.line.kind !== 'end' || last.line.records !== records) {
    const lines = last?.number ?? 0
    throw new CliError(
      EXIT.failed,
      `${file} is not whole, and its ${lines} lines were imported: export to it again, and import from line ${lines + 1}`,
    )
  }
  return { tenant: tenant.key, file, records, ...sum }
}

type RecordLine = Numbered & { readonly line: Schemas['TransferRecord'] }

const isRecord = (line: Numbered['line']): boolean => line.kind !== 'start' && line.kind !== 'end'

/** Lines in batches that one request carries. */
async function* batchesOf(lines: AsyncIterable<Numbered>): AsyncGenerator<Numbered[]> {
  let batch: Numbered[] = []
  let sentBytes = 0
  for await (const line of lines) {
    if (batch.length === RECORDS_AT_ONCE || line.bytes - sentBytes > BYTES_AT_ONCE) {
      if (batch.length > 0) yield batch
      sentBytes = batch.at(-1)?.bytes ?? 0
      batch = []
    }
    batch.push(line)
  }
  if (batch.length > 0) yield batch
}

async function send(
  batch: readonly Numbered[],
  tenant: string,
  { client, place }: Connection,
): Promise<Schemas['Imported']> {
  const items = (batch as readonly RecordLine[]).map(({ line }) => line)
  try {
    return await answered(client.POST(IMPORT, { params: { path: { ...place, tenant } }, body: { items } }))
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    const numberOf = (index: string) => `line ${batch[Number(index)]?.number}`
    const words = error.message.replaceAll(/\bitems\.(\d+)/g, (_, index) => numberOf(index))
    throw new CliError(error.exitCode, `${words.replace(/\.?$/, ';')} continue with --from-line ${batch[0]?.number}`)
  }
}

function add(sum: Schemas['Imported'], more: Schemas['Imported']): void {
  for (const name of ['created', 'changed', 'unchanged', 'members'] as const) sum[name] += more[name]
}

function lineNumber(text: string): number {
  if (!/^[1-9]\d{0,11}$/.test(text)) throw new InvalidArgumentError('It takes a whole number from 1.')
  return Number(text)
}
