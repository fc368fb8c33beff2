import { type Command, Option } from 'commander'
import { adminClient } from '../../client/index.ts'
import { makeAcme } from '../../kit/customer.ts'
import { endOfFeed } from '../../kit/feed.ts'
import { startInMemory } from '../../kit/in-memory.ts'
import { noteRunning, type RunningGateway } from '../../kit/running-file.ts'
import type { GlobalOptions } from '../connection.ts'
import { type Io, print, sheet } from '../io.ts'
import { wholeNumber } from '../values.ts'
import { type ForwardOptions, forward, receiverUrl, typesIn, webhookSecret } from './forward.ts'
import { forwardOptions, listening } from './listen.ts'
import { playAll, providerIn, scenarioIn } from './play.ts'
import { untilStopped } from './stop.ts'

interface DevOptions extends GlobalOptions, ForwardOptions {
  readonly port: number
  readonly play?: string
  readonly scenario?: string
  readonly forwardTo?: string
}

/** `rollcall dev`. */
export function devCommand(program: Command, io: Io): void {
  const command = program
    .command('dev')
    .description('run a gateway in memory, with a customer who has people: nothing is kept, nothing is needed')
    .addOption(new Option('--port <port>', 'to listen on; 0 for any free one').argParser(wholeNumber).default(8080))
    .option('--play <provider>', 'then play an identity provider, as rollcall play does')
    .option('--scenario <scenario>', 'what it plays; without one, a person joins, moves and leaves')
    .option('--forward-to <address>', 'forward events to a receiver, as rollcall listen does')
  forwardOptions(command).action(async () => {
    const options = command.optsWithGlobals<DevOptions>()
    const [provider, scenario] = [options.play && providerIn(options.play), scenarioIn(options.scenario)]
    const url = options.forwardTo === undefined ? undefined : receiverUrl(options.forwardTo)
    const given = webhookSecretIn(options, io)
    const gateway = await startInMemory({
      port: options.port,
      warn: (line) => io.err.write(line),
    })
    const stop = untilStopped(io)
    try {
      const { origin, adminKey, place } = gateway
      const customer = await makeAcme(adminClient({ origin, key: adminKey }), place)
      const forget = await noteRunning({ origin, adminKey, customer })
      try {
        print(io, options.json, { origin, adminKey, customer }, banner)
        const client = adminClient({ origin, key: customer.appKey })
        const feed = { client, place, types: typesIn(options.events) }
        const secret = webhookSecret(given, customer.appKey)
        if (url !== undefined) io.err.write(listening({ forwardsTo: url, secret, ...place }))
        const receiver = url === undefined ? undefined : { secret, url, send: (request: Request) => fetch(request) }
        // Before anything is played, so that all of it is forwarded.
        const from = await endOfFeed(feed)
        const forwards = forward({ feed, receiver, options, from }, io, stop)
        const plays = provider ? playAll(customer.scim, provider, scenario, options, io) : undefined
        await Promise.all([forwards, plays])
      } finally {
        await forget()
      }
    } finally {
      await gateway.stop()
    }
  })
}

const webhookSecretIn = ({ secret }: DevOptions, { env }: Io) => secret ?? (env.ROLLCALL_WEBHOOK_SECRET || undefined)

/** What a developer needs, and what to do next. */
export function banner({ origin, adminKey, customer }: RunningGateway): string {
  const { project, environment, tenant, name, scim, appKey } = customer
  return `
Rollcall runs in memory, with the customer ${name} and its people

${sheet({
  'SCIM base URL': scim.baseUrl,
  'SCIM key': scim.key,
  'Application key': appKey,
  'Admin key': adminKey,
  Tenant: `${origin}/api/v1/projects/${project}/environments/${environment}/tenants/${tenant}`,
  Console: `${origin}/console, by the admin key`,
  Documentation: `${origin}/api/docs, ${origin}/docs/events`,
})}
In another terminal:

  rollcall listen http://localhost:3000/webhooks   # forward signed events to your application
  rollcall play okta joiner                        # somebody joins, as Okta says it
  rollcall play entra leaver                       # the newest person leaves, as Entra says it

All of it is gone when you stop it with Ctrl+C. What happens shows here:

`
}
