import type { Command } from 'commander'
import type { AdminClient } from '../../client/index.ts'
import { findRunning } from '../../kit/running-file.ts'
import { type GlobalOptions, gatewayUrl, remoteClient } from '../connection.ts'
import { CliError, EXIT } from '../failure.ts'
import type { Io } from '../io.ts'
import { type ForwardOptions, forward, receiverUrl, resend, typesIn, webhookSecret } from './forward.ts'
import { untilStopped } from './stop.ts'

interface ListenOptions extends GlobalOptions, ForwardOptions {
  readonly tenant?: string
  readonly forwardTo?: string
  readonly resend?: string
}

/** Adds the options that say which events are forwarded, and how they are signed. */
export const forwardOptions = (command: Command): Command =>
  command
    .option('--events <types>', 'only these types, such as user.*,group.deleted')
    .option(
      '--secret <secret>',
      'sign by this secret (ROLLCALL_WEBHOOK_SECRET), in place of the one that the key makes',
    )

/** `rollcall listen`. */
export function listenCommand(program: Command, io: Io): void {
  const command = program
    .command('listen')
    .description('forward events, signed as webhooks are, to a receiver on this machine')
    .argument('[address]', 'of the receiver: http://localhost:3000/webhooks, localhost:3000/webhooks or 3000')
    .option('--forward-to <address>', 'the same')
    .option(
      '--tenant <tenant>',
      'key or id: events of this tenant alone; without it, of all tenants of the environment',
    )
    .option(
      '--after <position>',
      'begin after this cursor, or with --tenant this position; 0 for all that is kept. Without it: what happens from now on',
    )
    .option('--state <file>', 'keep in this file up to where events are done, and go on from there')
    .option('--resend <events>', 'send these events again, by id or with --tenant by position, and end')
  forwardOptions(command).action(async (address: string | undefined) => {
    const options = command.optsWithGlobals<ListenOptions>()
    const to = address ?? options.forwardTo
    const { client, key, place } = await gatewayOf(options, io)
    const feed = { client, place, types: typesIn(options.events) }
    const secret = webhookSecret(options.secret ?? (io.env.ROLLCALL_WEBHOOK_SECRET || undefined), key)
    const receiver =
      to === undefined ? undefined : { secret, url: receiverUrl(to), send: (request: Request) => fetch(request) }
    if (options.resend !== undefined) {
      if (receiver === undefined) throw new CliError(EXIT.usage, '--resend needs the address of the receiver')
      return resend({ feed, receiver, options }, options.resend, io)
    }
    if (receiver !== undefined) {
      const said = { forwardsTo: receiver.url, secret, ...place }
      io.err.write(options.json ? `${JSON.stringify(said)}\n` : listening(said))
    }
    return forward({ feed, receiver, options }, io, untilStopped(io))
  })
}

/** What a developer has to know to receive. */
export const listening = (
  said: GatewayToRead['place'] & { readonly forwardsTo: string; readonly secret: string },
): string =>
  `Events of ${said.tenant ?? `all tenants of ${said.project}/${said.environment}`} go to ${said.forwardsTo}\nWebhook secret  ${said.secret}\n`

interface GatewayToRead {
  readonly client: AdminClient
  readonly key: string
  readonly place: { readonly project: string; readonly environment: string; readonly tenant?: string | undefined }
}

/** The gateway that a URL and a key name, else the one of `rollcall dev` on this machine. */
async function gatewayOf(options: ListenOptions, io: Io): Promise<GatewayToRead> {
  const origin = gatewayUrl(options, io)
  if (origin === undefined) {
    const running = await findRunning()
    if (running === undefined)
      throw new CliError(
        EXIT.usage,
        'no gateway is named, and none of rollcall dev runs here: start one, or set ROLLCALL_URL and ROLLCALL_APP_KEY',
      )
    const { appKey: key, project, environment } = running.customer
    const place = { project, environment, tenant: options.tenant }
    return { client: remoteClient(running.origin, key), key, place }
  }
  const key = io.env.ROLLCALL_APP_KEY || options.adminKey || io.env.ROLLCALL_ADMIN_KEY
  if (!key) throw new CliError(EXIT.usage, 'a key with directory:read is needed for the gateway: set ROLLCALL_APP_KEY')
  const place = {
    project: options.project ?? (io.env.ROLLCALL_PROJECT || 'default'),
    environment: options.environment ?? (io.env.ROLLCALL_ENVIRONMENT || 'dev'),
    tenant: options.tenant,
  }
  return { client: remoteClient(origin, key), key, place }
}
