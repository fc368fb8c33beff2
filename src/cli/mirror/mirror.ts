import type { Command } from 'commander'
import { describeUrl } from '../../config/connection.ts'
import { CannotOpen, isUnavailable } from '../../db/errors.ts'
import {
  type ColumnType,
  type Mirror,
  type MirrorOptions,
  MirrorRefused,
  openMirror,
  type Report,
} from '../../mirror/index.ts'
import { type GlobalOptions, gatewayUrl } from '../connection.ts'
import { untilStopped } from '../dev/stop.ts'
import { CliError, EXIT } from '../failure.ts'
import { type Io, print, sheet } from '../io.ts'

/** Where the mirror is. */
interface PlaceOptions extends GlobalOptions {
  readonly database?: string
  readonly schema: string
}

interface MirrorCommandOptions extends PlaceOptions {
  readonly tenant?: string
  readonly column?: readonly string[]
  readonly deleted: string
  readonly outbox?: true
  readonly once?: true
}

const TYPES: readonly string[] = ['text', 'number', 'boolean', 'list'] satisfies readonly ColumnType[]

/** `rollcall mirror` and its verbs. */
export function mirrorCommands(program: Command, io: Io): void {
  const mirror = program
    .command('mirror')
    .description("keep users, groups, memberships and roles in the application's own PostgreSQL: docs/mirror.md")
    .option(
      '--database <url>',
      "of the application's PostgreSQL; better in MIRROR_DATABASE_URL, where ps does not show it",
    )
    .option('--schema <name>', 'the PostgreSQL schema for its tables', 'rollcall')
  mirror
    .command('run', { isDefault: true })
    .description('run the mirror until a signal stops it; `rollcall mirror` is the same')
    .option('--tenant <tenant>', 'key or id of the one tenant to mirror; without it, all of the environment')
    .option('--column <name:type...>', `a column of users for a mapped value: ${TYPES.join(', ')}; text without a type`)
    .option('--deleted <keep|delete>', 'what becomes of the rows of users and groups that are gone', 'keep')
    .option('--outbox', 'write each change into the table outbox, too')
    .option('--once', 'bring it up to date and end')
    .action((_: unknown, command: Command) => runMirror(command.optsWithGlobals<MirrorCommandOptions>(), io))
  mirror
    .command('status')
    .description('how the mirror stands; code 5 when it is behind or in trouble')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<PlaceOptions>()
      // Nothing is asked of the gateway.
      const gateway = { origin: 'http://localhost', key: 'none' }
      const status = await opened({ ...placeOf(options, io), gateway }, (mirror) => mirror.status())
      print(io, options.json, status, (shown) => sheet({ ...shown }))
      if (status.state === 'behind' || status.trouble !== null)
        throw new CliError(EXIT.unwell, status.trouble ?? 'no mirror has written for two minutes')
    })
}

async function runMirror(options: MirrorCommandOptions, io: Io): Promise<void> {
  const { deleted, outbox = false, once = false, json } = options
  if (deleted !== 'keep' && deleted !== 'delete') throw new CliError(EXIT.usage, '--deleted takes keep or delete')
  const origin = gatewayUrl(options, io)
  const key = io.env.ROLLCALL_APP_KEY || options.adminKey || io.env.ROLLCALL_ADMIN_KEY
  if (origin === undefined)
    throw new CliError(EXIT.usage, 'say which gateway to mirror: set ROLLCALL_URL, or give --url')
  if (!key) throw new CliError(EXIT.usage, 'a key with directory:read is needed for the gateway: set ROLLCALL_APP_KEY')
  const gateway = {
    ...{ origin, key, tenant: options.tenant },
    project: options.project ?? (io.env.ROLLCALL_PROJECT || 'default'),
    environment: options.environment ?? (io.env.ROLLCALL_ENVIRONMENT || 'dev'),
  }
  const said = reporter(io, json)
  const how = { ...placeOf(options, io), gateway, columns: columnsOf(options.column ?? []), deleted, outbox } as const
  await opened({ ...how, onReport: said }, (mirror) => (once ? mirror.catchUp() : mirror.follow(untilStopped(io))))
}

/** Runs `work` with a mirror. @throws {CliError} where the gateway or the database refuses, or cannot be reached */
async function opened<T>(options: MirrorOptions, work: (mirror: Mirror) => Promise<T>): Promise<T> {
  let mirror: Mirror | undefined
  try {
    mirror = openMirror(options)
    return await work(mirror)
  } catch (error) {
    if (error instanceof MirrorRefused) throw new CliError(EXIT.refused, error.message)
    if (isUnavailable(error) && error instanceof Error)
      throw new CannotOpen(`PostgreSQL at ${describeUrl(options.database)} cannot be used: ${error.message}`)
    throw error
  } finally {
    await mirror?.close()
  }
}

function placeOf(
  { database, schema }: PlaceOptions,
  { env }: Io,
): { readonly database: string; readonly schema: string } {
  const url = database || env.MIRROR_DATABASE_URL
  if (!url)
    throw new CliError(
      EXIT.usage,
      "say where the application's PostgreSQL is: set MIRROR_DATABASE_URL, or give --database",
    )
  return { database: url, schema }
}

function columnsOf(texts: readonly string[]): Record<string, ColumnType> {
  return Object.fromEntries(
    texts.map((text) => {
      const [name = '', type = 'text'] = text.split(':')
      if (!TYPES.includes(type))
        throw new CliError(EXIT.usage, `--column ${text}: a type is one of ${TYPES.join(', ')}`)
      return [name, type as ColumnType]
    }),
  )
}

/** Says what the mirror does, on standard error: each state once, and each trouble. */
function reporter(io: Io, json: boolean | undefined): (report: Report) => void {
  let last: string | undefined
  return (report) => {
    if (json) {
      io.err.write(`${JSON.stringify({ time: new Date().toISOString(), ...report })}\n`)
      return
    }
    if (report.state === 'applied' || (report.state === last && report.state !== 'trouble')) return
    last = report.state
    io.err.write(`rollcall: ${wordsOf(report)}\n`)
  }
}

function wordsOf(report: Exclude<Report, { readonly state: 'applied' }>): string {
  switch (report.state) {
    case 'standby':
      return 'another mirror writes; this one waits until it ends'
    case 'reading':
      return `reading ${report.tenants} ${report.tenants === 1 ? 'tenant' : 'tenants'}: ${report.reason}`
    case 'following':
      return 'all is read; following the events'
    case 'trouble':
      return `${report.reason}; tries again in ${(report.retryMs / 1_000).toFixed(1)} s`
  }
}
