import { type Command, Option } from 'commander'
import { PlayRefused, play, SCENARIOS } from '../../kit/play.ts'
import { findRunning } from '../../kit/running-file.ts'
import type { ScimTarget } from '../../kit/scim-client.ts'
import { IDENTITY_PROVIDERS, type IdentityProvider } from '../../self-test/conversations/index.ts'
import type { Played, Scenario } from '../../testing/types.ts'
import type { GlobalOptions } from '../connection.ts'
import { CliError, EXIT } from '../failure.ts'
import type { Io } from '../io.ts'
import { wholeNumber } from '../values.ts'

interface PlayCommandOptions extends GlobalOptions {
  readonly baseUrl?: string
  readonly user?: string
  readonly users: number
}

/** `rollcall play`. */
export function playCommand(program: Command, io: Io): void {
  const command = program
    .command('play')
    .description('send what an identity provider sends when somebody joins, moves or leaves')
    .argument('<provider>', IDENTITY_PROVIDERS.join(', '))
    .argument('[scenario]', `${SCENARIOS.join(', ')}; without one, a person joins, moves and leaves`)
    .option(
      '--base-url <url>',
      'of the tenant, with its key in ROLLCALL_TEST_KEY; without it, the customer of rollcall dev',
    )
    .option('--user <userName>', 'who joins, moves or leaves; else somebody new joins, and the newest moves or leaves')
    .addOption(new Option('--users <number>', 'how many people a big-sync brings').argParser(wholeNumber).default(100))
  command.action(async (provider: string, scenario: string | undefined) => {
    const options = command.optsWithGlobals<PlayCommandOptions>()
    const target = await targetOf(options, io)
    await playAll(
      target,
      providerIn(provider),
      scenarioIn(scenario),
      { userName: options.user, users: options.users, json: options.json },
      io,
    )
  })
}

/** Plays, with a line for each request. @throws {CliError} where the gateway answers otherwise than expected */
export async function playAll(
  target: ScimTarget,
  provider: IdentityProvider,
  scenario: Scenario | undefined,
  options: { readonly userName?: string | undefined; readonly users?: number; readonly json?: true | undefined },
  io: Io,
): Promise<void> {
  try {
    for await (const played of play(target, provider, scenario, options))
      io.out.write(options.json ? `${JSON.stringify(played)}\n` : lineOf(provider, played))
  } catch (error) {
    if (error instanceof PlayRefused) throw new CliError(EXIT.refused, error.message)
    const { cause } = error as Error
    if (!(cause instanceof Error)) throw error
    throw new CliError(EXIT.unreachable, `${target.baseUrl} cannot be reached: ${cause.message || cause.name}`)
  }
}

/** @throws {CliError} for a name that is none */
export const providerIn = (text: string): IdentityProvider => oneOf(IDENTITY_PROVIDERS, text, 'an identity provider')

/** @throws {CliError} for a name that is none */
export const scenarioIn = (text: string | undefined): Scenario | undefined =>
  text === undefined ? undefined : oneOf(SCENARIOS, text, 'a scenario')

function oneOf<T extends string>(names: readonly T[], text: string, what: string): T {
  const found = names.find((name) => name === text)
  if (found === undefined) throw new CliError(EXIT.usage, `"${text}" is not ${what}: give one of ${names.join(', ')}`)
  return found
}

const lineOf = (provider: string, { title, request, status, ms, userName }: Played): string =>
  `${provider}  ${title}${userName ? ` (${userName})` : ''}  ${request}  -> ${status}, ${ms} ms\n`

async function targetOf({ baseUrl }: PlayCommandOptions, { env }: Io): Promise<ScimTarget> {
  const key = env.ROLLCALL_TEST_KEY
  if (baseUrl !== undefined) {
    if (!URL.canParse(baseUrl)) throw new CliError(EXIT.usage, `"${baseUrl}" is no base URL`)
    if (!key) throw new CliError(EXIT.usage, 'the key of the identity provider is needed: set ROLLCALL_TEST_KEY')
    return { baseUrl, key }
  }
  const running = await findRunning()
  if (running === undefined)
    throw new CliError(EXIT.usage, 'no rollcall dev runs here: start one, or give --base-url and ROLLCALL_TEST_KEY')
  return running.customer.scim
}
