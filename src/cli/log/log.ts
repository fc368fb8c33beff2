import { type Command, Option } from 'commander'
import type { Schemas } from '../../client/index.ts'
import { OPERATIONS } from '../../request-log/operation.ts'
import { answered, type Connection, connected, type GlobalOptions, listed } from '../connection.ts'
import { untilStopped } from '../dev/stop.ts'
import { CliError, EXIT } from '../failure.ts'
import { type Io, print } from '../io.ts'
import { messagesIn } from './messages.ts'
import { detailsText, lineOf, listText } from './shown.ts'

const REQUESTS = '/projects/{project}/environments/{environment}/tenants/{tenant}/requests'

/** What `rollcall log` takes beside a tenant. */
interface LogOptions extends GlobalOptions {
  readonly person?: string
  readonly status?: string
  readonly operation?: string
  readonly key?: string
  readonly resource?: string
  readonly requestId?: string
  readonly since?: string
  readonly until?: string
  readonly limit: string
  readonly follow?: true
  readonly reveal?: true
}

/** `rollcall log`. */
export function logCommand(program: Command, io: Io): void {
  program
    .command('log')
    .description('what identity providers have sent to a tenant, and what came of it')
    .argument('<tenant>', 'key or id')
    .argument('[request]', 'id of one request: its bodies, events and deliveries')
    .option('--person <text>', 'a userName, e-mail address, externalId or id, also of somebody who was never made')
    .option('--status <status>', 'such as 409, or 4xx')
    .addOption(new Option('--operation <name>').choices(OPERATIONS))
    .option('--key <id>', 'of the API key')
    .option('--resource <id>', 'of the user or group that it was about')
    .option('--request-id <id>', 'as an answer had it in X-Request-Id')
    .option('--since <time>', 'a moment, or how long ago: 15m, 2h, 3d')
    .option('--until <time>', 'the same')
    .option('--limit <number>', 'how many at the most', '50')
    .option('--follow', 'go on with what comes, until you stop it')
    .option('--reveal', "show people's data of one request; the audit log has it, and the key needs requests:reveal")
    .action((tenant: string, request: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<LogOptions>()
      if (options.reveal && request === undefined)
        throw new CliError(EXIT.usage, '--reveal is for one request: give its id')
      return connected(options, io, (connection) => {
        if (request !== undefined) return showOne(connection, io, tenant, request, options)
        return options.follow ? follow(connection, io, tenant, options) : list(connection, io, tenant, options)
      })
    })
}

async function showOne(
  { client, place }: Connection,
  io: Io,
  tenant: string,
  request: string,
  { reveal, json }: LogOptions,
): Promise<void> {
  const params = { path: { ...place, tenant, request }, query: { reveal: reveal ? 'true' : 'false' } as const }
  print(io, json, await answered(client.GET(`${REQUESTS}/{request}`, { params })), detailsText)
}

async function list({ client, place }: Connection, io: Io, tenant: string, options: LogOptions): Promise<void> {
  const limit = Number(options.limit)
  if (!Number.isInteger(limit) || limit < 1) throw new CliError(EXIT.usage, '--limit must be a whole number from 1 on')
  const path = { ...place, tenant }
  const filter = filterOf(options)
  const pages = listed(
    (page) => answered(client.GET(REQUESTS, { params: { path, query: { ...filter, ...page } } })),
    Math.min(limit, 200),
  )
  const found: Schemas['LoggedRequest'][] = []
  for await (const request of pages) {
    found.push(request)
    if (found.length === limit) break
  }
  print(io, options.json, found, listText)
}

/** Writes each request as it comes, one in a line. */
async function follow({ client, place }: Connection, io: Io, tenant: string, options: LogOptions): Promise<void> {
  const params = { path: { ...place, tenant }, query: filterOf(options) }
  const signal = untilStopped(io)
  const { data, response } = await client.GET(`${REQUESTS}/stream`, { params, parseAs: 'stream', signal })
  if (!response.ok || data === null || data === undefined)
    throw new CliError(EXIT.refused, `the log of "${tenant}" cannot be followed: ${response.status}`)
  for await (const { data: line } of messagesIn(data, signal))
    io.out.write(options.json ? `${line}\n` : lineOf(JSON.parse(line) as Schemas['LoggedRequest']))
}

function filterOf({ person, status, operation, key, resource, requestId, since, until }: LogOptions) {
  return {
    ...(person !== undefined && { person }),
    ...(status !== undefined && { status }),
    ...(operation !== undefined && { operation }),
    ...(key !== undefined && { key }),
    ...(resource !== undefined && { resource }),
    ...(requestId !== undefined && { requestId }),
    ...(since !== undefined && { since: momentOf(since, '--since') }),
    ...(until !== undefined && { until: momentOf(until, '--until') }),
  }
}

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** @throws {CliError} for a text that is no time */
function momentOf(text: string, option: string): string {
  const [, count, unit] = /^(\d+)([mhd])$/.exec(text) ?? []
  const ms = count === undefined ? Date.parse(text) : Date.now() - Number(count) * UNITS[unit as keyof typeof UNITS]
  if (Number.isNaN(ms)) throw new CliError(EXIT.usage, `${option} must be a moment such as 2026-03-02T09:30:00Z, or 2h`)
  return new Date(ms).toISOString()
}
