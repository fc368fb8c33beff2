import type { Command } from 'commander'
import type { Schemas } from '../client/index.ts'
import { allOf, answered, connected, type GlobalOptions, listed } from './connection.ts'
import { type Io, print, sheet, table } from './io.ts'

const BRAKE = '/projects/{p}/environments/{e}/tenants/{t}/brake'

/** `rollcall brake show|release`. */
export function brakeCommands(program: Command, io: Io): void {
  const brake = program.command('brake').description('when too many people leave at a time: look, and let go')

  brake
    .command('show')
    .description('how the leaver brake of a tenant stands, and who would leave by what it holds')
    .argument('<tenant>', 'key or id')
    .action((t: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client, place }) => {
        const path = { ...place, t }
        const status = await answered(client.GET(BRAKE, { params: { path } }))
        const pages = listed((query) => answered(client.GET(`${BRAKE}/held`, { params: { path, query } })))
        print(io, options.json, { ...status, items: status.held === 0 ? [] : await allOf(pages) }, shown)
      })
    })

  brake
    .command('release')
    .description('let go what the leaver brake of a tenant holds')
    .argument('<tenant>', 'key or id')
    .option('--note <note>', 'why, for the audit trail and the log')
    .action((t: string, _: unknown, command: Command) => {
      const { note, ...options } = command.optsWithGlobals<GlobalOptions & { note?: string }>()
      return connected(options, io, async ({ client, place }) => {
        const params = { path: { ...place, t } }
        const body = note === undefined ? {} : { note }
        const done = await answered(client.POST(`${BRAKE}/release`, { params, body }))
        print(io, options.json, done, ({ released }) => `${released} events were let go\n`)
      })
    })
}

function shown({ items, ...status }: Schemas['BrakeStatus'] & { readonly items: Schemas['HeldItem'][] }): string {
  const people = items.map(({ time, type, who, group, role, actor }) => ({
    ...{ time, event: type, who: who.userName ?? who.displayName ?? who.id },
    ...{ of: role ?? group?.displayName ?? group?.id ?? '', by: actor },
  }))
  return sheet(status) + (people.length === 0 ? '' : `\n${table(people)}`)
}
