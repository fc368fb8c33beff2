import { createRoute, z } from '@hono/zod-openapi'
import { beginAccounts, finishRun, type Posted, postAccounts } from '../../../administration/accounts/posting.ts'
import { Refusal } from '../../../administration/refusal.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import { accountsOf, type StoredAccount } from '../../../repositories/accounts/listing.ts'
import type { PostedAccount } from '../../../repositories/accounts/posted.ts'
import { type AccountRun, accountRunsOf } from '../../../repositories/accounts/runs.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import { Thread } from '../../../thread.ts'
import { isAccountLines } from '../../control/admission.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { openTenant } from '../../control/open-tenant.ts'
import { tenantAt } from '../../control/places.ts'
import { jsonAnswer, listAnswer, listOf, pageQuery, plainText, problems, tenantParams } from '../../control/schemas.ts'
import { invalid } from '../../invalid.ts'
import { accountLines } from './account-lines.ts'
import { account, accountId, asAccount, exampleAccount, exampleStoredAccount, postedAccount } from './account-shapes.ts'

/** Accounts in one JSON body. */
const MAX_ACCOUNTS = 1_000
/** One request ends so many accounts of a run, a thousand at a time, before it asks to be sent again. */
const FINISHES_FOR_MS = 5_000

const tags = ['Accounts']
const runName = plainText.max(100)
const accountsInput = z
  .strictObject({ accounts: z.array(postedAccount).min(1).max(MAX_ACCOUNTS) })
  .openapi('PostedAccounts')
const posted = z
  .object({
    accounts: z.int().openapi({ description: 'Accounts that were stored.' }),
    created: z.int(),
    changed: z.int().openapi({ description: 'Accounts that were there; they may be as before.' }),
    linked: z.int().openapi({ description: 'Users that were there already and have an account now.' }),
    queued: z.int().openapi({ description: 'Pairs of a user and an account that wait for a review now.' }),
  })
  .openapi('AccountsPosted')
const runShape = z
  .object({
    run: z.string(),
    startedAt: z.string(),
    finishedAt: z.string().nullable(),
    posted: z.int(),
    gone: z.int().openapi({ description: 'Accounts that were not posted in it, and are gone.' }),
    more: z.boolean().openapi({ description: 'Whether the end is not reached yet: finish it again.' }),
  })
  .openapi('AccountRun')
const exampleRun = {
  ...{
    run: '2026-03-10',
    startedAt: EXAMPLE.created,
    finishedAt: EXAMPLE.changed,
    posted: 10_000,
    gone: 12,
    more: false,
  },
}
const lines = `${JSON.stringify(exampleAccount)}\n`

const post = createRoute({
  method: 'post',
  path: `${TENANT.path}/accounts`,
  operationId: 'addAccounts',
  summary: 'Post the accounts that the application has',
  tags,
  description:
    'For keys with the permission `accounts:write`. As JSON, up to 1,000 at a time, or one in a line (`application/x-ndjson`), as many as ' +
    'there are. An account is known by the id that the application gives; to post it again brings it to what is posted. With `run`, ' +
    'the accounts belong to a run: when that is finished, accounts that it did not name are gone.',
  request: {
    params: tenantParams,
    query: z.object({ run: runName.optional() }),
    body: {
      content: {
        'application/json': { schema: accountsInput, example: { accounts: [exampleAccount] } },
        'application/x-ndjson': { schema: z.string(), example: lines },
      },
    },
  },
  responses: {
    200: jsonAnswer(posted, 'Stored', { accounts: 1, created: 1, changed: 0, linked: 0, queued: 0 }),
    ...problems,
  },
})
const list = createRoute({
  method: 'get',
  path: `${TENANT.path}/accounts`,
  operationId: 'listAccounts',
  summary: 'List accounts of a tenant',
  tags,
  description: 'For keys with the permission `directory:read`.',
  request: {
    params: tenantParams,
    query: pageQuery(accountId).extend({ user: z.uuid().optional().openapi({ description: 'Id of a user.' }) }),
  },
  responses: {
    200: jsonAnswer(listOf(account, 'AccountList'), 'In the order of their ids', {
      items: [exampleStoredAccount],
      next: null,
    }),
    ...problems,
  },
})
const one = createRoute({
  method: 'get',
  path: `${TENANT.path}/accounts/{account}`,
  operationId: 'getAccount',
  summary: 'Get an account with the user to whom it belongs',
  tags,
  description: 'For keys with the permission `directory:read`.',
  request: { params: tenantParams.extend({ account: accountId }) },
  responses: { 200: jsonAnswer(account, 'The account', exampleStoredAccount), ...problems },
})
const runParams = tenantParams.extend({ run: runName })
const oneRun = createRoute({
  method: 'get',
  path: `${TENANT.path}/account-runs/{run}`,
  operationId: 'getAccountRun',
  summary: 'Get a run in which accounts are posted',
  tags,
  description: 'For keys with the permission `accounts:write`.',
  request: { params: runParams },
  responses: { 200: jsonAnswer(runShape, 'The run', exampleRun), ...problems },
})
const finish = createRoute({
  method: 'post',
  path: `${TENANT.path}/account-runs/{run}/finish`,
  operationId: 'finishAccountRun',
  summary: 'Finish a run: accounts that it did not name are gone',
  tags,
  description:
    'For keys with the permission `accounts:write`. Accounts that nobody has posted since the run began are gone. With `more`, send it again.',
  request: { params: runParams },
  responses: { 200: jsonAnswer(runShape, 'Finished', exampleRun), ...problems },
})

/** Shares the thread among requests with many accounts. */
const thread = new Thread()

/** `…/accounts` and `…/account-runs` of a tenant in the admin API; `adminApi` checks the permissions. */
export function accountRoutes(app: AdminApp, control: ControlPlane, policy: OriginPolicy): void {
  app.openapi(post, async (c) => {
    const names = c.req.valid('param')
    const { run } = c.req.valid('query')
    const { scope } = await tenantAt(c.var, names)
    await beginAccounts(c.var.administration, scope)
    const { tenant, repositories } = await openTenant(c, names, control, policy)
    const runs = accountRunsOf(c.var.database, tenant.id)
    if (run !== undefined && (await runs.begin(run)).finishedAt !== null)
      throw new Refusal(409, `The run "${run}" is finished; begin another one.`)
    const sum = { accounts: 0, created: 0, changed: 0, linked: 0, queued: 0 }
    const store = async (some: readonly PostedAccount[]) => {
      const done = await repositories.inTurn(() => postAccounts(c.var.administration, tenant, some))
      add(sum, some.length, done)
      if (run !== undefined) await runs.count(run, { posted: some.length })
    }
    if (isAccountLines(c)) {
      const body = c.req.raw.body ?? new Blob([]).stream()
      try {
        for await (const { accounts } of accountLines(body, thread.work(tenant.id))) await store(accounts)
      } catch (error) {
        if (!(error instanceof Refusal) || sum.accounts === 0) throw error
        throw new Refusal(
          error.status,
          `${error.message} ${sum.accounts} accounts before it are stored.`,
          error.mistakes,
        )
      }
    } else {
      // Where the body has another type, the route has let it through.
      const { accounts } = parsed(c.req.valid('json'))
      for (let from = 0; from < accounts.length; from += MAX_ACCOUNTS / 2)
        await store(accounts.slice(from, from + MAX_ACCOUNTS / 2).map(asAccount))
    }
    return c.json(sum, 200)
  })

  app.openapi(list, async (c) => {
    const { tenant } = await tenantAt(c.var, c.req.valid('param'))
    const { after, limit, user } = c.req.valid('query')
    const rows = await accountsOf(c.var.database, tenant.id).list({ after, limit: limit + 1, user })
    return c.json(listAnswer(rows, limit, present), 200)
  })
  app.openapi(one, async (c) => {
    const { account: id, ...names } = c.req.valid('param')
    const { tenant } = await tenantAt(c.var, names)
    const [row] = await accountsOf(c.var.database, tenant.id).list({ account: id, after: undefined, limit: 1 })
    if (row === undefined) throw Refusal.notFound('account', id)
    return c.json(present(row), 200)
  })

  app.openapi(oneRun, async (c) => {
    const { run, ...names } = c.req.valid('param')
    const { tenant } = await tenantAt(c.var, names)
    const row = await accountRunsOf(c.var.database, tenant.id).find(run)
    if (row === undefined) throw Refusal.notFound('run', run)
    return c.json(presentRun(row), 200)
  })
  app.openapi(finish, async (c) => {
    const { run, ...names } = c.req.valid('param')
    const { scope, tenant } = await tenantAt(c.var, names)
    const until = performance.now() + FINISHES_FOR_MS
    const finished = await finishRun(c.var.administration, scope, run, () => performance.now() < until)
    const row = finished ?? (await accountRunsOf(c.var.database, tenant.id).find(run))
    if (row === undefined) throw Refusal.notFound('run', run)
    return c.json(presentRun(row), 200)
  })
}

/** @throws {Refusal} 400 where there is nothing */
function parsed(json: unknown): z.infer<typeof accountsInput> {
  const read = accountsInput.safeParse(json)
  if (!read.success) throw invalid(read.error)
  return read.data
}

type Sum = { accounts: number } & { -readonly [Name in keyof Posted]: number }

function add(sum: Sum, accounts: number, { created, changed, linked, queued }: Posted): void {
  sum.accounts += accounts
  sum.created += created
  sum.changed += changed
  sum.linked += linked
  sum.queued += queued
}

const moment = (ms: number): string => new Date(ms).toISOString()

const present = ({ userId, linkedAt, postedAt, linkedBy, ...row }: StoredAccount): z.infer<typeof account> => ({
  ...row,
  addresses: [...row.addresses],
  roles: row.roles && [...row.roles],
  user: userId,
  linkedBy: linkedBy as z.infer<typeof account>['linkedBy'],
  linkedAt: linkedAt === null ? null : moment(linkedAt),
  postedAt: moment(postedAt),
})

const presentRun = ({ run, startedAt, finishedAt, posted, gone }: AccountRun): z.infer<typeof runShape> => ({
  ...{ run, startedAt: moment(startedAt), finishedAt: finishedAt === null ? null : moment(finishedAt), posted, gone },
  more: finishedAt === null,
})
