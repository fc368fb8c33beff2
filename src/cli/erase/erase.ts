import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Schemas } from '../../client/index.ts'
import { allOf, answered, connected, type GlobalOptions, gatewayUrl, listed } from '../connection.ts'
import { CliError, EXIT } from '../failure.ts'
import { type Io, print, sheet, table } from '../io.ts'
import { progressOn } from '../progress.ts'

const ERASURES = '/projects/{project}/environments/{environment}/tenants/{tenant}/erasures'
const LOOK_AGAIN_MS = 1_000

interface EraseOptions extends GlobalOptions {
  readonly name?: string[]
  readonly delete?: true
  readonly reference?: string
  readonly confirm?: string
  readonly wait?: true
}

/** `rollcall erase`, `rollcall erasures list|show`: people are erased for good, and what was erased where. */
export function eraseCommands(program: Command, io: Io): void {
  program
    .command('erase')
    .description('erase a person for good: from events, logs, queues and the audit trail (GDPR, article 17)')
    .argument('<tenant>', 'key or id')
    .argument('[user]', 'id of the user, also of one who was deleted')
    .option('--name <name...>', 'userName, e-mail address or externalId of somebody who was never made a user')
    .option('--delete', 'the user is in the directory: delete the user first; the application is told')
    .option('--reference <number>', 'the number of the case, which the receipt shows; it must not name the person')
    .option('--confirm <what>', 'the id or the name once more, since this cannot be undone')
    .option('--wait', 'wait until it is done, which takes some minutes, and print the receipt')
    .action((tenant: string, user: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<EraseOptions>()
      const { name: names = [], reference, confirm } = options
      const named = [...(user === undefined ? [] : [user]), ...names]
      if ((user === undefined) === (names.length === 0))
        throw new CliError(EXIT.usage, 'say who it is: the id of a user, or --name for somebody who was never one')
      if (confirm === undefined || !named.includes(confirm))
        throw new CliError(EXIT.usage, `this cannot be undone: repeat whom it is about by --confirm ${named[0]}`)
      const more = reference === undefined ? {} : { reference }
      const erased =
        user === undefined ? { names, ...more } : { user, ...(options.delete && { delete: true }), ...more }
      // Without a gateway, nobody does the work that is waited for.
      if (options.wait && gatewayUrl(options, io) === undefined)
        throw new CliError(EXIT.usage, '--wait needs a gateway that runs: set ROLLCALL_URL')
      return connected(options, io, async ({ client, place }) => {
        const path = { ...place, tenant }
        let receipt = await answered(client.POST(ERASURES, { params: { path }, body: erased }))
        const progress = progressOn(io.err)
        while (options.wait && receipt.state === 'running') {
          await sleep(LOOK_AGAIN_MS)
          const one = { params: { path: { ...path, id: receipt.id } } }
          receipt = await answered(client.GET(`${ERASURES}/{id}`, one))
          if (receipt.progress !== null)
            progress.show(receipt.progress.step / receipt.progress.of, receipt.progress.name)
        }
        progress.end()
        print(io, options.json, receipt, shown)
      })
    })

  const erasures = program.command('erasures').description('erasures of people and their receipts: list, show')

  erasures
    .command('list')
    .description('all erasures of a tenant, the newest first')
    .argument('<tenant>', 'key or id')
    .action((tenant: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client, place }) => {
        const path = { ...place, tenant }
        const items = await allOf(listed((query) => answered(client.GET(ERASURES, { params: { path, query } }))))
        print(io, options.json, { items }, ({ items }) => table(items.map(row)))
      })
    })

  erasures
    .command('show')
    .description('how far an erasure is, or its receipt')
    .argument('<tenant>', 'key or id')
    .argument('<erasure>', 'id of the erasure')
    .action((tenant: string, id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client, place }) => {
        const params = { path: { ...place, tenant, id } }
        print(io, options.json, await answered(client.GET(`${ERASURES}/{id}`, { params })), shown)
      })
    })
}

const row = ({ id, state, user, reference, askedAt, finishedAt }: Schemas['Erasure']) => ({
  ...{ id, state, user: user ?? '', reference: reference ?? '', asked: askedAt, finished: finishedAt ?? '' },
})

function shown({ erased, progress, ...receipt }: Schemas['Erasure']): string {
  const step = progress === null ? {} : { step: `${progress.step} of ${progress.of}: ${progress.name}` }
  const rows = erased.map(({ table, rows }) => ({ table, rows: String(rows) }))
  return sheet({ ...receipt, ...step }) + (rows.length === 0 ? '' : `\n${table(rows)}`)
}
