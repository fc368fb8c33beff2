import type { Command } from 'commander'
import type { Schemas } from '../../client/index.ts'
import { answered, type Connection, connected, type GlobalOptions } from '../connection.ts'
import { untilStopped } from '../dev/stop.ts'
import { CliError, EXIT } from '../failure.ts'
import type { Io } from '../io.ts'
import { messagesIn } from './messages.ts'

const ENVIRONMENT = '/projects/{project}/environments/{environment}'
const TENANT = `${ENVIRONMENT}/tenants/{tenant}`

/** What `rollcall events` takes beside a tenant. */
interface EventOptions extends GlobalOptions {
  readonly types?: string
  readonly tenants?: string
  readonly after?: string
  readonly limit: string
  readonly follow?: true
}

/** `rollcall events`. */
export function eventsCommand(program: Command, io: Io): void {
  program
    .command('events')
    .description('events of a tenant, or without one of all tenants of the environment')
    .argument('[tenant]', 'key or id')
    .option('--types <types>', 'such as user.deactivated,group.*')
    .option('--tenants <tenants>', 'of these tenants of the environment alone: keys or ids with commas between')
    .option('--after <cursor>', 'the position of a tenant, or the cursor of an environment, that you know already')
    .option('--limit <number>', 'how many at the most', '100')
    .option('--follow', 'go on with what comes, until you stop it')
    .action((tenant: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<EventOptions>()
      if (tenant !== undefined && options.tenants !== undefined)
        throw new CliError(EXIT.usage, '--tenants is for the events of an environment: leave the tenant out')
      return connected(options, io, (connection) =>
        options.follow ? follow(connection, io, tenant, options) : list(connection, io, tenant, options),
      )
    })
}

/** Writes one page, and on standard error where it goes on. */
async function list(connection: Connection, io: Io, tenant: string | undefined, options: EventOptions): Promise<void> {
  const limit = Number(options.limit)
  if (!Number.isInteger(limit) || limit < 1 || limit > 500)
    throw new CliError(EXIT.usage, '--limit must be a whole number from 1 to 500')
  const page = await pageOf(connection, tenant, options, limit)
  for (const event of page.items) io.out.write(options.json ? `${JSON.stringify(event)}\n` : lineOf(event))
  if (page.more) io.err.write(`there is more: --after ${page.next}\n`)
}

function pageOf({ client, place }: Connection, tenant: string | undefined, options: EventOptions, limit: number) {
  const { types, tenants, after } = options
  const query = { ...(types !== undefined && { types }), limit, wait: 0, snapshot: 'false' as const }
  if (tenant === undefined) {
    const params = { ...query, ...(tenants !== undefined && { tenants }), ...(after !== undefined && { after }) }
    return answered(client.GET(`${ENVIRONMENT}/events`, { params: { path: place, query: params } }))
  }
  const path = { ...place, tenant }
  const params = { ...query, ...(after !== undefined && { after: Number(after) }) }
  return answered(client.GET(`${TENANT}/events`, { params: { path, query: params } }))
}

/** Writes each event as it comes, one in a line. */
async function follow({ client, place }: Connection, io: Io, tenant: string | undefined, options: EventOptions) {
  const { types, tenants, after } = options
  const signal = untilStopped(io)
  const query = { ...(types !== undefined && { types }), snapshot: 'false' as const }
  const { data, response } =
    tenant === undefined
      ? await client.GET(`${ENVIRONMENT}/events/stream`, {
          params: {
            path: place,
            query: { ...query, ...(tenants !== undefined && { tenants }), ...(after !== undefined && { after }) },
          },
          ...{ parseAs: 'stream', signal },
        })
      : await client.GET(`${TENANT}/events/stream`, {
          params: {
            path: { ...place, tenant },
            query: { ...query, ...(after !== undefined && { after: Number(after) }) },
          },
          ...{ parseAs: 'stream', signal },
        })
  if (!response.ok || data === null || data === undefined)
    throw new CliError(EXIT.refused, `the events cannot be followed: ${response.status}`)
  for await (const message of messagesIn(data, signal))
    io.out.write(options.json ? `${message.data}\n` : lineOf(JSON.parse(message.data) as Schemas['Event']))
}

const lineOf = ({ time, tenant, position, type, resource }: Schemas['Event']): string =>
  `${time}  ${tenant}  ${position}  ${type}  ${resource.type} ${resource.id}\n`
