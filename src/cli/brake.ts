import type { Command } from 'commander'
import type { Schemas } from '../client/index.ts'
import { allOf, answered, connected, type GlobalOptions, listed } from './connection.ts'
import { type Io, print, sheet, table } from './io.ts'

const BRAKE = '/projects/{project}/environments/{environment}/tenants/{tenant}/brake'

/** `rollcall brake show|release`. */
export function brakeCommands(program: Command, io: Io): void {
  const brake = program
    .command('brake')
    .description('when too many people leave at a time: show what is held, and release it')

  brake
    .command('show')
    .description('the state of the leaver brake of a tenant, and who would leave by the events that it holds')
    .argument('<tenant>', 'key or id')
    .action((tenant: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client, place }) => {
        const path = { ...place, tenant }
        const status = await answered(client.GET(BRAKE, { params: { path } }))
        const pages = listed((query) => answered(client.GET(`${BRAKE}/held`, { params: { path, query } })))
        print(io, options.json, { ...status, items: status.held === 0 ? [] : await allOf(pages) }, shown)
      })
    })

  brake
    .command('release')
    .description('release the events that the leaver brake of a tenant holds')
    .argument('<tenant>', 'key or id')
    .option('--note <note>', 'why, for the audit trail and the log')
    .action((tenant: string, _: unknown, command: Command) => {
      const { note, ...options } = command.optsWithGlobals<GlobalOptions & { note?: string }>()
      return connected(options, io, async ({ client, place }) => {
        const params = { path: { ...place, tenant } }
        const body = note === undefined ? {} : { note }
        const done = await answered(client.POST(`${BRAKE}/release`, { params, body }))
        print(io, options.json, done, ({ released }) => `${released} events were released\n`)
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
