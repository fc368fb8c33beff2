import { createRoute, z } from '@hono/zod-openapi'
import { DECISIONS, decide, decideByRule } from '../../../administration/accounts/reviews.ts'
import { accountReviewsOf, type ReviewItem } from '../../../repositories/accounts/reviews.ts'
import type { Resource } from '../../../scim/resource.ts'
import { domainName, SAME_BY } from '../../../tenancy/adoption.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { tenantAt } from '../../control/places.ts'
import { jsonAnswer, jsonBody, pageQuery, problems, tenantParams } from '../../control/schemas.ts'
import { accountId } from './account-shapes.ts'

const REVIEWS = `${TENANT.path}/account-reviews`
const tags = ['Accounts']

const sameBy = z.enum(SAME_BY).openapi({ description: 'What the two have in common.' })
const candidate = z.object({
  account: z.string(),
  by: sameBy,
  userName: z.string().nullable(),
  displayName: z.string().nullable(),
  addresses: z.array(z.object({ value: z.string(), verified: z.boolean() })),
  active: z.boolean(),
  user: z.string().nullable().openapi({ description: 'The user who has the account already.' }),
})
const item = z
  .object({
    id: z.uuid().openapi({ description: 'Id of the user.' }),
    userName: z.string().nullable(),
    displayName: z.string().nullable(),
    externalId: z.string().nullable(),
    active: z.boolean().nullable(),
    candidates: z.array(candidate),
  })
  .openapi('AccountReview')
const reviews = z
  .object({
    items: z.array(item),
    next: z.string().nullable().openapi({ description: 'The `after` of the request for the next page.' }),
    waiting: z.int().openapi({ description: 'Users who wait, up to 100,000.' }),
  })
  .openapi('AccountReviewList')
const pair = z.object({ user: z.uuid(), account: z.string() })
const decision = z
  .strictObject({
    decision: z.enum(DECISIONS).openapi({
      description:
        '`confirm`: the user has this account. `separate`: the two are not the same person; a link between them ends. ' +
        '`merge`: the user has this account, and the other accounts that it may have are the same person’s.',
    }),
    user: z.uuid(),
    account: accountId
      .optional()
      .openapi({ description: 'Needed where the user may have several. Without it, `separate` is about all of them.' }),
  })
  .openapi('AccountDecision')
const byRule = z
  .strictObject({
    decision: z.enum(['confirm', 'separate']),
    by: sameBy.optional(),
    domain: z
      .string()
      .max(253)
      .refine((text) => domainName(text) !== undefined, 'must be a domain such as acme.example')
      .optional()
      .openapi({ description: 'The domain of the userName of the user or of one of its addresses.' }),
    after: z.uuid().optional().openapi({ description: 'The `next` of the request before.' }),
  })
  .openapi('AccountDecisionByRule')
const decided = z
  .object({ decided: z.array(pair), next: z.string().nullable() })
  .openapi('AccountsDecided', { description: 'Pairs about which was decided; `next` where there may be more.' })

const examplePair = { user: EXAMPLE.userId, account: 'acc_1842' }
const exampleItem: z.infer<typeof item> = {
  ...{
    id: EXAMPLE.userId,
    userName: 'ada@acme.example',
    displayName: 'Ada Byron',
    externalId: '00u1ada',
    active: true,
  },
  candidates: [
    {
      ...{ account: 'acc_1842', by: 'userName', userName: 'ada@acme.example', displayName: 'Ada B.' },
      ...{ addresses: [{ value: 'ada@acme.example', verified: true }], active: true, user: null },
    },
  ],
}

const list = createRoute({
  method: 'get',
  path: REVIEWS,
  operationId: 'listAccountReviews',
  summary: 'List users who may be people with accounts, and wait for a decision',
  tags,
  description: 'For keys with the permission "directory:read" beside "admin", since it shows people.',
  request: { params: tenantParams, query: pageQuery(z.uuid()) },
  responses: {
    200: jsonAnswer(reviews, 'In the order of the users', { items: [exampleItem], next: null, waiting: 1 }),
    ...problems,
  },
})
const make = createRoute({
  method: 'post',
  path: REVIEWS,
  operationId: 'decideAccountReview',
  summary: 'Decide whether a user and an account are the same person',
  tags,
  description: 'The audit log has each decision. A user and an account that do not wait may be decided about too.',
  request: { params: tenantParams, body: jsonBody(decision, { decision: 'confirm', ...examplePair }) },
  responses: { 200: jsonAnswer(decided, 'Decided', { decided: [examplePair], next: null }), ...problems },
})
const makeByRule = createRoute({
  method: 'post',
  path: `${REVIEWS}/by-rule`,
  operationId: 'decideAccountReviewsByRule',
  summary: 'Decide about all users who meet a rule',
  tags,
  description:
    'About users who may have one account alone, which nobody has yet; up to 200 of the queue in one request. Send it again with `after` while there is a `next`.',
  request: {
    params: tenantParams,
    body: jsonBody(byRule, { decision: 'confirm', by: 'email', domain: 'acme.example' }),
  },
  responses: { 200: jsonAnswer(decided, 'Decided', { decided: [examplePair], next: null }), ...problems },
})

/** `…/account-reviews` of a tenant in the admin API; `adminApi` checks the permissions. */
export function accountReviewRoutes(app: AdminApp): void {
  app.openapi(list, async (c) => {
    const { tenant } = await tenantAt(c.var, c.req.valid('param'))
    const queue = accountReviewsOf(c.var.database, tenant.id)
    const { items, next } = await queue.list(c.req.valid('query'))
    return c.json({ items: items.map(presentReview), next: next ?? null, waiting: await queue.count() }, 200)
  })
  app.openapi(make, async (c) => {
    const { scope } = await tenantAt(c.var, c.req.valid('param'))
    const pairs = await decide(c.var.administration, scope, c.req.valid('json'))
    return c.json({ decided: pairs, next: null }, 200)
  })
  app.openapi(makeByRule, async (c) => {
    const { scope } = await tenantAt(c.var, c.req.valid('param'))
    const { decision, after, by, domain } = c.req.valid('json')
    const rule = { by, domain: domain && domainName(domain) }
    const done = await decideByRule(c.var.administration, scope, decision, rule, after)
    return c.json({ decided: done.decided, next: done.next ?? null }, 200)
  })
}

/** A user who waits, with what tells one person from another. */
export function presentReview({ id, document, active, candidates }: ReviewItem): z.infer<typeof item> {
  const { userName, displayName, externalId } = JSON.parse(document) as Resource
  const text = (value: unknown) => (typeof value === 'string' ? value : null)
  const shown = candidates.map(({ userId, addresses, ...rest }) => ({
    ...{ ...rest, addresses: [...addresses], user: userId },
  }))
  return {
    ...{ id, userName: text(userName), displayName: text(displayName), externalId: text(externalId), active },
    candidates: shown,
  }
}
