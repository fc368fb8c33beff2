import { type FileHandle, open, stat, truncate } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Schemas } from '../client/index.ts'
import { answered, type Connection, connected, type GlobalOptions } from './connection.ts'
import { CliError, EXIT } from './failure.ts'
import { type Io, print } from './io.ts'
import { type Progress, progressOn } from './progress.ts'
import { type Begun, begun, FORMAT, keepHeapSmall, type Line } from './transfer-file.ts'

const TENANT = '/projects/{project}/environments/{environment}/tenants/{tenant}'
const RECORDS_AT_ONCE = 500

/** `rollcall export`. */
export function exportCommand(program: Command, io: Io): void {
  program
    .command('export')
    .description("write a tenant's users, groups and memberships to a file, without passwords")
    .argument('<tenant>', 'key or id')
    .argument('<file>', 'NDJSON; an export that was interrupted is continued. /dev/stdout works too')
    .action((tenant: string, file: string, _: unknown, command: Command) => {
      keepHeapSmall()
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async (connection) => {
        const output = { file, isStream: await isStream(file) }
        const done = await exportTo(output, tenant, connection, progressOn(io.err))
        // Where the records went to standard output, nothing else may.
        if (!output.isStream) print(io, options.json, done, ({ tenant, records }) => `${tenant}: ${records} records\n`)
      })
    })
}

/** Where an export goes. */
interface Output {
  readonly file: string
  /** True where an export can neither be continued nor be cut. */
  readonly isStream: boolean
}

async function exportTo(to: Output, name: string, { client, place }: Connection, progress: Progress) {
  const path = { ...place, tenant: name }
  const tenant = await answered(client.GET(TENANT, { params: { path } }))
  const before = await foundIn(to, tenant.id)
  const output = await openFor(to, before)
  let records = before?.records ?? 0
  try {
    if (before === undefined) await append(output, [{ kind: 'start', format: FORMAT, tenant: tenant.id }])
    let total: number | undefined
    for (let after: string | null | undefined = before?.after; after !== null; ) {
      const query = { limit: RECORDS_AT_ONCE, ...(after !== undefined && { after }) }
      const asked = { ...query, ...(total === undefined && { total: 'true' as const }) }
      const page: Schemas['ExportPage'] = await answered(
        client.GET(`${TENANT}/export`, { params: { path, query: asked } }),
      )
      await append(output, page.items)
      records += page.items.length
      total ??= page.total
      progress.show(total === undefined ? undefined : records / total, `${tenant.key}: ${records} records`)
      after = page.next
    }
    await append(output, [{ kind: 'end', records }])
    if (!to.isStream) await output.sync()
  } finally {
    progress.end()
    await output.close()
  }
  return { tenant: tenant.key, file: to.file, records, resumed: before !== undefined }
}

/** Names of what the command's caller has opened. It may be a file: then the export follows what the file holds. */
const OPENED = /^\/dev\/(?:stdout|stderr|fd\/\d+)$/

/** A regular file is one wherever it lies, also in /dev/shm. */
async function isStream(file: string): Promise<boolean> {
  if (OPENED.test(file)) return true
  const there = await stat(file).catch(() => undefined)
  return there !== undefined && !there.isFile()
}

/** What an earlier export left in the file. @throws {CliError} where it must not be written over */
async function foundIn({ file, isStream }: Output, tenant: string): Promise<Begun | undefined> {
  const there = isStream ? undefined : await stat(file).catch(() => undefined)
  if (there === undefined || there.size === 0) return undefined
  const found = await begun(file)
  if (found === undefined)
    throw new CliError(EXIT.usage, `${file} has no export to continue; take another name, or delete it`)
  if (found.whole) throw new CliError(EXIT.usage, `${file} has a whole export already; take another name, or delete it`)
  if (found.tenant !== tenant)
    throw new CliError(EXIT.usage, `${file} has an export of another tenant; take another name, or delete it`)
  return found
}

/** Opens the file behind its last whole line. It holds personal data, so it is for its owner alone. */
async function openFor({ file, isStream }: Output, before: Begun | undefined): Promise<FileHandle> {
  try {
    const output = await open(file, 'a', 0o600)
    if (!isStream) await truncate(file, before?.bytes ?? 0)
    return output
  } catch (error) {
    throw new CliError(
      EXIT.usage,
      `${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

const append = (output: FileHandle, lines: readonly Line[]): Promise<void> =>
  output.appendFile(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
