import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../../administration/refusal.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import { beginErasure } from '../../../erasure/begin.ts'
import { PLACES } from '../../../erasure/steps.ts'
import { type ErasureRow, erasuresOf } from '../../../repositories/erasure/erasures.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { openTenant } from '../../control/open-tenant.ts'
import { tenantAt } from '../../control/places.ts'
import {
  jsonAnswer,
  jsonBody,
  listAnswer,
  listOf,
  nameText,
  pageQuery,
  problems,
  tenantParams,
} from '../../control/schemas.ts'
import { needs } from '../../permissions.ts'

const ERASURES = `${TENANT.path}/erasures`
const tags = ['Erasure']

/** A number of a case holds no address and no name with a blank in it. */
export const reference = z
  .string()
  .regex(/^[\w./#:-]{1,64}$/, 'must be letters, digits and ._-/#: (up to 64)')
  .openapi({
    description: 'The number of the case, which is shown with the receipt for good. It must not name the person.',
  })
const ofUser = z
  .strictObject({
    user: z.uuid().openapi({ description: 'Id of a user, also of one who was deleted.' }),
    delete: z.boolean().optional().openapi({
      description: 'Needed for a user who is in the directory, and deletes the user first; the application is told.',
    }),
    reference: reference.optional(),
  })
  .openapi('ErasureOfUser')
/** A userName, an e-mail address or an externalId. */
export const nameOfStranger = nameText.pipe(z.string().min(3))
const ofStranger = z
  .strictObject({
    names: z.array(nameOfStranger).min(1).max(20).openapi({
      description:
        'What requests have called somebody who was never made a user: userName, e-mail address or externalId.',
    }),
    reference: reference.optional(),
  })
  .openapi('ErasureOfStranger')
/** What a request says. */
export const erasureInput = z.union([ofUser, ofStranger]).openapi('NewErasure')

const receipt = z
  .object({
    id: z.uuid(),
    state: z.enum(['running', 'done']),
    user: z.uuid().nullable().openapi({ description: 'Null where the person was named otherwise.' }),
    reference: z.string().nullable(),
    askedBy: z.string().openapi({ description: 'Id of the API key that asked, or of a person of the console.' }),
    askedAt: z.string(),
    requestId: z.string(),
    finishedAt: z.string().nullable(),
    progress: z
      .object({ step: z.int(), of: z.int(), name: z.enum(PLACES) })
      .nullable()
      .openapi({
        description:
          'While it goes on: the step that it is at. `late-requests` waits some minutes for what instances still write.',
      }),
    erased: z.array(z.object({ table: z.string(), rows: z.int() })).openapi({
      description:
        'From where, and how many rows were deleted, emptied or changed. docs/erasure.md says what was done in each.',
    }),
    storage: z.enum(['rewritten', 'vacuumed']).nullable().openapi({
      description:
        '`rewritten`: nothing is left in the files of the embedded database. `vacuumed`: the space of the old rows is free to be used again.',
    }),
  })
  .openapi('Erasure', { description: 'How far an erasure is, and its receipt. Nothing in it is of the person.' })

const example: z.input<typeof receipt> = {
  ...{ id: '019a2f45-17da-78fd-851e-c92af8e1de0d', state: 'done', user: EXAMPLE.userId, reference: 'DSR-2026-17' },
  ...{ askedBy: EXAMPLE.adminKeyId, askedAt: EXAMPLE.changed, requestId: EXAMPLE.requestId },
  ...{ finishedAt: '2026-03-09T14:10:04.000Z', progress: null },
  erased: [
    { table: 'events', rows: 9 },
    { table: 'request_log', rows: 14 },
    { table: 'resources', rows: 1 },
  ],
  storage: 'vacuumed',
}

const begin = createRoute({
  method: 'post',
  path: ERASURES,
  operationId: 'createErasure',
  summary: 'Erase a person for good',
  tags,
  description:
    'For keys with the permission `people:erase` beside `admin`. By the id of a user, or by the names of somebody who never was one. ' +
    'It cannot be undone. While it goes on, the same request is answered with the same erasure. 409 for a user who is in the directory ' +
    'without `delete`, and for names that are those of a user.',
  request: {
    params: tenantParams,
    body: jsonBody(erasureInput, { user: EXAMPLE.userId, delete: true, reference: 'DSR-2026-17' }),
  },
  responses: {
    202: jsonAnswer(receipt, 'Accepted: the user is deleted, and the rest is done behind the request', {
      ...example,
      ...{ state: 'running', finishedAt: null, storage: null, erased: [{ table: 'resources', rows: 1 }] },
      progress: { step: 1, of: PLACES.length, name: 'writers' },
    }),
    ...problems,
  },
})
const list = createRoute({
  method: 'get',
  path: ERASURES,
  operationId: 'listErasures',
  summary: 'List erasures of a tenant with their receipts',
  tags,
  request: { params: tenantParams, query: pageQuery(z.uuid()) },
  responses: {
    200: jsonAnswer(listOf(receipt, 'ErasureList'), 'The newest first', { items: [example], next: null }),
    ...problems,
  },
})
const retrieve = createRoute({
  method: 'get',
  path: `${ERASURES}/{id}`,
  operationId: 'getErasure',
  summary: 'Get an erasure with its receipt',
  tags,
  request: { params: tenantParams.extend({ id: z.string() }) },
  responses: { 200: jsonAnswer(receipt, 'How far it is, or the receipt', example), ...problems },
})

/** `…/erasures` of a tenant in the admin API: people are erased, and what was erased where. */
export function erasureRoutes(app: AdminApp, control: ControlPlane, policy: OriginPolicy): void {
  app.openapi(begin, async (c) => {
    needs(c.var.principal, 'people:erase')
    const names = c.req.valid('param')
    const { scope } = await tenantAt(c.var, names)
    const { reference = null, ...who } = c.req.valid('json')
    const place = { scope, ...(await openTenant(c, names, control, policy)) }
    const row = await beginErasure(c.var.administration, place, who, reference)
    return c.json(presentErasure(row), 202, { Location: `${c.req.path}/${row.id}` })
  })

  app.openapi(list, async (c) => {
    const { tenant } = await tenantAt(c.var, c.req.valid('param'))
    const { after, limit } = c.req.valid('query')
    const rows = await erasuresOf(c.var.database, tenant.id).list({ after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, presentErasure), 200)
  })

  app.openapi(retrieve, async (c) => {
    const { id, ...names } = c.req.valid('param')
    const { tenant } = await tenantAt(c.var, names)
    const row = z.uuid().safeParse(id).success ? await erasuresOf(c.var.database, tenant.id).find(id) : undefined
    if (row === undefined) throw Refusal.notFound('erasure', id)
    return c.json(presentErasure(row), 200)
  })
}

/** A receipt as it is shown; tables of which nothing was erased are left out. */
export function presentErasure(row: ErasureRow): z.infer<typeof receipt> {
  const { id, userId, reference, actor, askedAt, requestId, finishedAt, erased, storage } = row
  const name = PLACES.find((place) => place === row.place) ?? 'writers'
  return {
    ...{ id, state: finishedAt === null ? 'running' : 'done', user: userId, reference, askedBy: actor },
    ...{ askedAt: askedAt.toISOString(), requestId, finishedAt: finishedAt?.toISOString() ?? null },
    progress: finishedAt === null ? { step: PLACES.indexOf(name) + 1, of: PLACES.length, name } : null,
    erased: Object.entries(erased)
      .filter(([, rows]) => rows > 0)
      .map(([table, rows]) => ({ table, rows }))
      .toSorted((one, other) => (one.table < other.table ? -1 : 1)),
    storage,
  }
}
