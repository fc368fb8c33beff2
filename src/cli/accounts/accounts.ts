import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { type Command, Option } from 'commander'
import type { Schemas } from '../../client/index.ts'
import { answered, connected, type GlobalOptions } from '../connection.ts'
import { CliError, EXIT } from '../failure.ts'
import { type Io, print, sheet, table } from '../io.ts'

const TENANT = '/projects/{project}/environments/{environment}/tenants/{tenant}'
const ACCOUNTS = `${TENANT}/accounts` as const
const REVIEWS = `${TENANT}/account-reviews` as const
const DRIFT = `${TENANT}/account-drift` as const

/** Accounts in one request. */
const AT_ONCE = 1_000
const KINDS = ['ghost', 'missing', 'state', 'roles'] as const
type Kind = (typeof KINDS)[number]

/** `rollcall accounts post|review|confirm|separate|merge|drift|repair`: what the application has, and how it differs from the directory. */
export function accountCommands(program: Command, io: Io): void {
  const accounts = program
    .command('accounts')
    .description('accounts that the application has: post them, link them to users, compare them with the directory')

  accounts
    .command('post')
    .description('post accounts from a file, one in a line as JSON; safe to repeat')
    .argument('<tenant>', 'key or id')
    .argument('<file>', 'the file')
    .option('--run <name>', 'all accounts that there are: those that the file does not name are gone at the end')
    .action((tenant: string, file: string, _: unknown, command: Command) => {
      const { run, ...options } = command.optsWithGlobals<GlobalOptions & { run?: string }>()
      return connected(options, io, async ({ client, place }) => {
        const path = { ...place, tenant }
        const sum = { accounts: 0, created: 0, changed: 0, linked: 0, queued: 0, gone: 0 }
        const send = async (some: Schemas['PostedAccount'][]) => {
          const query = run === undefined ? {} : { run }
          const done = await answered(client.POST(ACCOUNTS, { params: { path, query }, body: { accounts: some } }))
          for (const name of ['accounts', 'created', 'changed', 'linked', 'queued'] as const) sum[name] += done[name]
        }
        for await (const some of accountsIn(file)) await send(some)
        for (let more = run !== undefined; more; ) {
          const finish = `${TENANT}/account-runs/{run}/finish` as const
          const ended = await answered(client.POST(finish, { params: { path: { ...path, run: run ?? '' } } }))
          sum.gone = ended.gone
          more = ended.more
        }
        print(io, options.json, sum, sheet)
      })
    })

  accounts
    .command('review')
    .description('users who may be people with accounts, and wait for a decision')
    .argument('<tenant>', 'key or id')
    .action((tenant: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      return connected(options, io, async ({ client, place }) => {
        const path = { ...place, tenant }
        const items: Schemas['AccountReview'][] = []
        for (let after: string | null | undefined; after !== null; ) {
          const query = { limit: 200, ...(after && { after }) }
          const page: Schemas['AccountReviewList'] = await answered(client.GET(REVIEWS, { params: { path, query } }))
          items.push(...page.items)
          after = page.next
        }
        print(io, options.json, items, (all) => (all.length === 0 ? 'nobody waits\n' : table(all.flatMap(reviewRows))))
      })
    })

  for (const [decision, description] of [
    ['confirm', 'the user has this account; or, by a rule, each user has the only account that it may have'],
    ['separate', 'the user and the account are not the same person; a link between them ends'],
    ['merge', 'the user has this account, and the other accounts that it may have are the same person’s'],
  ] as const) {
    const made = accounts
      .command(decision)
      .description(description)
      .argument('<tenant>', 'key or id')
      .argument('[user]', 'id of the user')
      .argument('[account]', "the application's id of the account, where the user may have several")
    if (decision !== 'merge')
      made
        .addOption(new Option('--by <what>', 'all users who have this in common with their account').choices(SAME_BY))
        .option('--domain <domain>', 'all users with an address of this domain')
    made.action(
      (tenant: string, user: string | undefined, account: string | undefined, _: unknown, command: Command) => {
        const { by, domain, ...options } = command.optsWithGlobals<GlobalOptions & Rule>()
        const byRule = by !== undefined || domain !== undefined
        if (byRule === (user !== undefined))
          throw new CliError(EXIT.usage, 'name a user, or a rule by --by or --domain, and not both')
        return connected(options, io, async ({ client, place }) => {
          const params = { path: { ...place, tenant } }
          const pairs: { user: string; account: string }[] = []
          if (user !== undefined) {
            const body = { decision, user, ...(account !== undefined && { account }) }
            pairs.push(...(await answered(client.POST(REVIEWS, { params, body }))).decided)
          }
          for (let after: string | null | undefined; user === undefined && after !== null; ) {
            const rule = { ...(by !== undefined && { by }), ...(domain !== undefined && { domain }) }
            const body = {
              decision: decision === 'confirm' ? decision : ('separate' as const),
              ...rule,
              ...(after && { after }),
            }
            const done: Schemas['AccountsDecided'] = await answered(client.POST(`${REVIEWS}/by-rule`, { params, body }))
            pairs.push(...done.decided)
            after = done.next
          }
          print(io, options.json, pairs, (all) => `${all.length} decided\n${all.length === 0 ? '' : table(all)}`)
        })
      },
    )
  }

  accounts
    .command('drift')
    .description('how accounts and directory differ: the numbers, or the differences of one kind')
    .argument('<tenant>', 'key or id')
    .addOption(new Option('--kind <kind>', 'list the differences of this kind').choices(KINDS))
    .action((tenant: string, _: unknown, command: Command) => {
      const { kind, ...options } = command.optsWithGlobals<GlobalOptions & { kind?: Kind }>()
      return connected(options, io, async ({ client, place }) => {
        const path = { ...place, tenant }
        if (kind === undefined) {
          const counts = await answered(client.GET(`${DRIFT}/summary`, { params: { path } }))
          return print(io, options.json, counts, sheet)
        }
        const items: Schemas['DriftDifference'][] = []
        for (let after: string | null | undefined; after !== null; ) {
          const query = { kind, ...(after && { from: after }) }
          const page: Schemas['DriftPage'] = await answered(client.GET(DRIFT, { params: { path, query } }))
          items.push(...page.items)
          after = page.next
        }
        print(io, options.json, items, (all) => (all.length === 0 ? 'no difference\n' : table(all.map(driftRow))))
      })
    })

  accounts
    .command('repair')
    .description('tell the application again what it has missed, as events of origin repair')
    .argument('<tenant>', 'key or id')
    .addOption(new Option('--kind <kind...>', 'which differences').choices(KINDS).makeOptionMandatory())
    .action((tenant: string, _: unknown, command: Command) => {
      const { kind: kinds, ...options } = command.optsWithGlobals<GlobalOptions & { kind: Kind[] }>()
      return connected(options, io, async ({ client, place }) => {
        const params = { path: { ...place, tenant } }
        let events = 0
        for (let after: string | null | undefined; after !== null; ) {
          const body = { kinds, ...(after && { from: after }) }
          const done: Schemas['DriftRepaired'] = await answered(client.POST(`${DRIFT}/repairs`, { params, body }))
          events += done.events
          after = done.next
        }
        print(io, options.json, { events }, (done) =>
          done.events === 1 ? 'one event was appended\n' : `${done.events} events were appended\n`,
        )
      })
    })
}

const SAME_BY = ['externalId', 'userName', 'email'] as const
interface Rule {
  readonly by?: (typeof SAME_BY)[number]
  readonly domain?: string
}

/** Accounts of a file, some at a time. @throws {CliError} for a line that is no JSON, or a file that cannot be read */
async function* accountsIn(file: string): AsyncGenerator<Schemas['PostedAccount'][], void> {
  let some: Schemas['PostedAccount'][] = []
  let number = 0
  const input = createReadStream(file)
  const failed = new Promise<never>((_, reject) => input.once('error', reject))
  failed.catch(() => undefined)
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++
      if (line.trim() === '') continue
      some.push(JSON.parse(line) as Schemas['PostedAccount'])
      if (some.length < AT_ONCE) continue
      yield some
      some = []
    }
  } catch (error) {
    const { message } = error as Error
    throw error instanceof SyntaxError
      ? new CliError(EXIT.usage, `line ${number} of ${file} is no JSON: ${message}`)
      : error
  }
  if (input.errored) throw new CliError(EXIT.usage, `${file} cannot be read: ${input.errored.message}`)
  if (some.length > 0) yield some
}

const reviewRows = ({ id, userName, candidates }: Schemas['AccountReview']) =>
  candidates.map(({ account, by, user, ...named }) => ({
    ...{ user: id, userName: userName ?? '', account, by, named: named.userName ?? named.addresses[0]?.value ?? '' },
    of: user ?? '',
  }))

const driftRow = ({ kind, reason, account, user, userName, lacks, exceeds }: Schemas['DriftDifference']) => ({
  ...{ kind, reason: reason ?? '', account: account ?? '', user: user ?? '', userName: userName ?? '' },
  ...{ lacks: lacks.join(' '), exceeds: exceeds.join(' ') },
})
