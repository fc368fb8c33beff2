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
  readonly userName?: string
  readonly email?: string
  readonly externalId?: string
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
    .option('--user-name <userName>', 'of somebody who never was a user')
    .option('--email <address>', 'the same')
    .option('--external-id <id>', 'the same')
    .option('--delete', 'the user is in the directory: delete the user first; the application is told')
    .option('--reference <number>', 'the number of the case, which the receipt shows; it must not name the person')
    .option('--confirm <what>', 'the id or the name once more, since this cannot be undone')
    .option('--wait', 'wait until it is done, which takes some minutes, and print the receipt')
    .action((tenant: string, user: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<EraseOptions>()
      const { userName, email, externalId, reference, confirm } = options
      const named = [user, userName, email, externalId].filter((one) => one !== undefined)
      if (confirm === undefined || !named.includes(confirm))
        throw new CliError(
          EXIT.usage,
          `this cannot be undone: repeat whom it is about, as in --confirm ${named[0] ?? 'ID'}`,
        )
      const erased = {
        ...(user !== undefined && { user }),
        ...(userName !== undefined && { userName }),
        ...(email !== undefined && { email }),
        ...(externalId !== undefined && { externalId }),
        ...(options.delete && { delete: true }),
        ...(reference !== undefined && { reference }),
      }
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
