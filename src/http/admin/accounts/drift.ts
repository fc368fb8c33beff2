import { createRoute, z } from '@hono/zod-openapi'
import {
  allDrift,
  countDrift,
  DRIFT_BEGINS,
  driftStep,
  parseDriftPosition,
  positionText,
  repairDrift,
} from '../../../administration/accounts/drift.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import { builtIn } from '../../../provisioning/look-up.ts'
import { type Difference, DRIFT_KINDS } from '../../../repositories/accounts/drift.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { openTenant } from '../../control/open-tenant.ts'
import { tenantAt } from '../../control/places.ts'
import { jsonAnswer, jsonBody, problems, tenantParams } from '../../control/schemas.ts'
import { streamed } from '../../streamed.ts'

const DRIFT = `${TENANT.path}/account-drift`
const tags = ['Accounts']

const COLUMNS = ['kind', 'reason', 'account', 'user', 'userName', 'displayName', 'lacks', 'exceeds'] as const

const kind = z.enum(DRIFT_KINDS).openapi({
  description:
    '`ghost`: the account is active, and its user is deactivated, deleted or was never there. `missing`: the user is active and has ' +
    'no account. `state`: the user is active and the account is not. `roles`: the two have different roles.',
})
const position = z
  .string()
  .refine((text) => parseDriftPosition(text) !== undefined, 'must be the "next" of an answer')
  .openapi({ pattern: '^(?:a:|u:(?:[0-9a-f-]{36})?$)', description: 'The `next` of the request before.' })
const difference = z
  .object({
    kind,
    reason: z.enum(['deactivated', 'deleted', 'never-there']).nullable().openapi({ description: 'Of a ghost.' }),
    account: z.string().nullable(),
    user: z.string().nullable().openapi({ description: 'Id of the user of the directory, also of one that is gone.' }),
    userName: z.string().nullable(),
    displayName: z.string().nullable(),
    lacks: z.array(z.string()).openapi({ description: 'Roles that the user has and the account has not.' }),
    exceeds: z.array(z.string()).openapi({ description: 'Roles that the account has and the user has not.' }),
  })
  .openapi('DriftDifference')
const example: z.infer<typeof difference> = {
  ...{ kind: 'ghost', reason: 'deactivated', account: 'acc_1842', user: EXAMPLE.userId },
  ...{ userName: 'ada@acme.example', displayName: 'Ada Byron', lacks: [], exceeds: [] },
}
const page = z
  .object({
    items: z.array(difference),
    next: z.string().nullable().openapi({
      description: 'The `from` of the next request; a page may be empty and have one.',
    }),
  })
  .openapi('DriftPage')
const counts = z.object({ ghost: z.int(), missing: z.int(), state: z.int(), roles: z.int() }).openapi('DriftCounts')
const repairInput = z
  .strictObject({
    kinds: z.array(kind).min(1).max(DRIFT_KINDS.length),
    from: position.optional(),
  })
  .openapi('DriftRepair')
const repaired = z
  .object({ events: z.int(), next: z.string().nullable() })
  .openapi('DriftRepaired', { description: 'Events that were appended; with `next`, send the request again.' })

const list = createRoute({
  method: 'get',
  path: DRIFT,
  operationId: 'listDrift',
  summary: 'List how accounts and directory differ',
  tags,
  description: 'For keys with the permission `directory:read`. Each request compares some hundred accounts or users.',
  request: {
    params: tenantParams,
    query: z.object({ kind: kind.optional(), from: position.optional() }),
  },
  responses: {
    200: jsonAnswer(page, 'In the order of accounts and then of users', { items: [example], next: null }),
    ...problems,
  },
})
const asCsv = createRoute({
  method: 'get',
  path: `${DRIFT}/csv`,
  operationId: 'exportDrift',
  summary: 'Export how accounts and directory differ',
  tags,
  description:
    'For keys with the permission `directory:read`. All differences as CSV in one answer, as they are found.',
  request: { params: tenantParams, query: z.object({ kind: kind.optional() }) },
  responses: {
    200: {
      description: 'A line for each difference',
      content: { 'text/csv': { schema: z.string(), example: `${COLUMNS.join(',')}\r\n` } },
    },
    ...problems,
  },
})
const summary = createRoute({
  method: 'get',
  path: `${DRIFT}/summary`,
  operationId: 'getDriftSummary',
  summary: 'Count how accounts and directory differ',
  tags,
  description: 'For keys with the permission `directory:read`. All accounts and users are compared.',
  request: { params: tenantParams },
  responses: { 200: jsonAnswer(counts, 'By kind', { ghost: 1, missing: 0, state: 0, roles: 0 }), ...problems },
})
const repair = createRoute({
  method: 'post',
  path: `${DRIFT}/repairs`,
  operationId: 'repairDrift',
  summary: 'Tell the application again what it has missed',
  tags,
  description:
    'Appends events to the log of the tenant, with `origin: "repair"`, for differences of these kinds. They are numbered and sent as all events are, and the leaver brake counts them. ' +
    'Each request goes over some hundred accounts or users; send it again with `from` while there is a `next`.',
  request: { params: tenantParams, body: jsonBody(repairInput, { kinds: ['ghost'] }) },
  responses: { 200: jsonAnswer(repaired, 'Told', { events: 1, next: null }), ...problems },
})

/** `…/account-drift` of a tenant in the admin API; `adminApi` checks the permissions. */
export function readDriftRoutes(app: AdminApp, control: ControlPlane, policy: OriginPolicy): void {
  app.openapi(list, async (c) => {
    const { tenant, repositories } = await openTenant(c, c.req.valid('param'), control, policy)
    const { kind, from: at } = c.req.valid('query')
    const kinds = kind === undefined ? DRIFT_KINDS : [kind]
    const from = (at === undefined ? undefined : parseDriftPosition(at)) ?? DRIFT_BEGINS
    const step = await repositories.inTurn(() => driftStep(c.var.database, tenant, from, kinds))
    return c.json(
      { items: step.differences.map(presentDifference), next: step.next ? positionText(step.next) : null },
      200,
    )
  })
  app.openapi(asCsv, async (c) => {
    const { tenant } = await openTenant(c, c.req.valid('param'), control, policy)
    const { kind } = c.req.valid('query')
    const lines = csv(allDrift(c.var.database, tenant, kind === undefined ? DRIFT_KINDS : [kind]))
    const type = { 'Content-Type': 'text/csv; charset=utf-8', 'Cache-Control': 'no-store' }
    return c.body(streamed(lines, c.var.passage), 200, type) as never
  })
  app.openapi(summary, async (c) => {
    const { tenant, repositories } = await openTenant(c, c.req.valid('param'), control, policy)
    return c.json(await repositories.inTurn(() => countDrift(c.var.database, tenant)), 200)
  })
}

/** The same for what is told again, which takes `admin`. */
export function repairDriftRoutes(app: AdminApp, control: ControlPlane, policy: OriginPolicy): void {
  app.openapi(repair, async (c) => {
    const names = c.req.valid('param')
    const { scope } = await tenantAt(c.var, names)
    const { tenant } = await openTenant(c, names, control, policy)
    const { kinds, from: at } = c.req.valid('json')
    const from = (at === undefined ? undefined : parseDriftPosition(at)) ?? DRIFT_BEGINS
    const user = builtIn(tenant.registry, 'User')
    const { events, next } = await repairDrift(c.var.administration, scope, tenant, user, from, kinds)
    return c.json({ events, next: next ? positionText(next) : null }, 200)
  })
}

async function* csv(found: AsyncIterable<readonly Difference[]>): AsyncGenerator<string, void> {
  yield `${COLUMNS.join(',')}\r\n`
  for await (const differences of found) {
    if (differences.length === 0) continue
    const line = (one: Difference) => COLUMNS.map((name) => cell(one[name])).join(',')
    yield differences.map((one) => `${line(one)}\r\n`).join('')
  }
}

/** A cell (RFC 4180). What a spreadsheet would take for a formula begins with an apostrophe. */
function cell(value: string | readonly string[] | null): string {
  const text = value === null ? '' : typeof value === 'string' ? value : value.join(' ')
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain
}

const presentDifference = ({ eventId, lacks, exceeds, ...rest }: Difference): z.infer<typeof difference> => ({
  ...{ ...rest, lacks: [...lacks], exceeds: [...exceeds] },
})
