import type { Command } from 'commander'
import type { Schemas } from '../client/index.ts'
import { allOf, answered, connected, type GlobalOptions, listed } from './connection.ts'
import { type Io, print, table } from './io.ts'

/** `rollcall session list|end`: who is signed in to the console. */
export function sessionCommands(program: Command, io: Io): void {
  const session = program.command('session').description('sessions of the console: list, end')

  session
    .command('list')
    .description('who is signed in, the newest first')
    .action((_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client }) => {
        const pages = listed<Schemas['ConsoleSession']>((query) =>
          answered(client.GET('/console-sessions', { params: { query } })),
        )
        print(io, options.json, await allOf(pages), (all) => table(all.map(row)))
      })
    })

  session
    .command('end')
    .description('end a session, on every instance')
    .argument('<id>', 'id of the session')
    .action((id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client }) => {
        await answered(client.DELETE('/console-sessions/{session}', { params: { path: { session: id } } }))
        print(io, options.json, { id, ended: true }, () => `${id} has ended\n`)
      })
    })
}

const row = ({ id, apiKey, person, seenAt, endsAt, address }: Schemas['ConsoleSession']) => ({
  ...{ id, who: person === null ? `key ${apiKey}` : [person.name, person.email].filter(Boolean).join(' ') },
  ...{ used: seenAt, ends: endsAt, from: address ?? '-' },
})
