import type { Command } from 'commander'
import type { Schemas } from '../client/index.ts'
import { answered, connected, type GlobalOptions } from './connection.ts'
import { type Io, print, sheet, table } from './io.ts'

/** `rollcall config`. */
export function configCommand(program: Command, io: Io): void {
  program
    .command('config')
    .description('show each setting with its value and where it comes from, and what the database was found to be')
    .action((_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client }) => {
        print(io, options.json, await answered(client.GET('/configuration')), shown)
      })
    })
}

function shown({ version, settings, database }: Schemas['Configuration']): string {
  const rows = settings.map(({ name, value, source }) => ({ setting: name, value: value ?? '-', from: source }))
  return `${table(rows)}\n${sheet({ rollcall: version, ...database })}`
}
