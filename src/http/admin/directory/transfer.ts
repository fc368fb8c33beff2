import { createRoute, z } from '@hono/zod-openapi'
import type { ControlPlane } from '../../../context/control-plane.ts'
import type { Resource } from '../../../scim/resource.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import { withValues } from '../../../tenancy/tenant.ts'
import { exportPage } from '../../../transfer/export.ts'
import { importRecords } from '../../../transfer/import.ts'
import { POSITION_PATTERN, parsePosition, type TransferRecord } from '../../../transfer/records.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { openTenant } from '../../control/open-tenant.ts'
import { jsonAnswer, jsonBody, next, problems, tenantParams } from '../../control/schemas.ts'
import { exampleGroup, exampleUser } from './directory.ts'

/** Records in one request, and bytes; a resource has some kilobytes. */
const MAX_RECORDS = 1_000
export const MAX_IMPORT_BYTES = 16 * 1_048_576

const record = z
  .discriminatedUnion('kind', [
    z.object({
      kind: z.literal('resource'),
      type: z.string().openapi({ description: 'Name of the resource type, such as User.' }),
      resource: z.looseObject({ id: z.string() }),
    }),
    z.object({
      kind: z.enum(['member', 'deferred']),
      group: z.string().openapi({ description: 'Id of the group.' }),
      member: z.string().openapi({ description: 'Id of the member; of a deferred one, what the client sent as one.' }),
      display: z.string().optional().openapi({ description: 'What the client called the member.' }),
    }),
  ])
  .openapi('TransferRecord', { description: "A piece of a tenant's directory: a resource, or who is in which group." })
const tags = ['Export and import']

const exported = z.object({ items: z.array(record), next, total: z.number().int().optional() }).openapi('ExportPage')
const importInput = z.strictObject({ items: z.array(record).max(MAX_RECORDS) }).openapi('Import')
const imported = z
  .object({
    created: z.number().int(),
    changed: z.number().int(),
    unchanged: z.number().int(),
    members: z.number().int(),
  })
  .openapi('Imported', { description: 'Resources, and memberships that are there now.' })
const exampleRecords: z.infer<typeof record>[] = [
  { kind: 'resource', type: 'User', resource: exampleUser },
  { kind: 'resource', type: 'Group', resource: exampleGroup },
  { kind: 'member', group: EXAMPLE.groupId, member: EXAMPLE.userId, display: 'Ada Byron' },
]

const take = createRoute({
  method: 'get',
  path: `${TENANT.path}/export`,
  operationId: 'exportTenant',
  summary: 'Export the directory of a tenant',
  tags,
  description:
    'The whole directory of a tenant, without passwords and other attributes that are never returned: resources by id, then ' +
    'memberships. For keys with the permission `directory:read`. Pause the tenant first for a state of one moment.',
  request: {
    params: tenantParams,
    query: z.object({
      after: z
        .string()
        .refine((text) => parsePosition(text) !== undefined, 'must be the "next" of a list')
        .optional()
        .openapi({ pattern: POSITION_PATTERN, description: 'The `next` of the page before.' }),
      limit: z.coerce.number().int().min(1).max(MAX_RECORDS).default(500),
      total: z.enum(['true', 'false']).default('false').openapi({ description: 'Whether to count all records.' }),
    }),
  },
  responses: {
    200: jsonAnswer(exported, 'A page of the records', { items: exampleRecords, next: null }),
    ...problems,
  },
})
const give = createRoute({
  method: 'post',
  path: `${TENANT.path}/import`,
  operationId: 'importTenant',
  summary: 'Import records of an export into a tenant',
  tags,
  description:
    'Imports all records of a request or none; send them in the order of the export. Resources keep their ids, and begin ' +
    'with version 1 and the time of the import. What is there already is brought to what the record says; nothing is ' +
    'deleted, so the same records may be sent again. For keys with the permissions `admin` and `scim:write`.',
  request: { params: tenantParams, body: jsonBody(importInput, { items: exampleRecords }) },
  responses: {
    200: jsonAnswer(imported, 'Imported', { created: 2, changed: 0, unchanged: 0, members: 1 }),
    ...problems,
  },
})

/** `…/export` and `/import` of a tenant in the admin API; `adminApi` checks the permissions. */
export function transferRoutes(app: AdminApp, control: ControlPlane, policy: OriginPolicy): void {
  app.openapi(take, async (c) => {
    const { tenant, repositories } = await openTenant(c, c.req.valid('param'), control, policy)
    const { after, limit, total } = c.req.valid('query')
    const from = after === undefined ? undefined : parsePosition(after)
    const page = await exportPage(repositories, tenant, from, limit)
    const answer = { ...page, ...(total === 'true' && { total: await repositories.exportPages.count() }) }
    // What is stored has been checked against the tenant's schemas, which say more than these types.
    return c.json(answer as z.infer<typeof exported>, 200)
  })

  app.openapi(give, async (c) => {
    const opened = await openTenant(c, c.req.valid('param'), control, policy)
    const [tenant, { repositories }] = [await withValues(opened.tenant), opened]
    const records = c.req.valid('json').items.map(asRecord)
    // With an Idempotency-Key the request is a transaction already.
    const { inTransaction } = c.var.database
    const imported = inTransaction
      ? await importRecords(repositories, tenant, records)
      : await repositories.transaction((inside) => importRecords(inside, tenant, records))
    return c.json(imported, 200)
  })
}

/** JSON came in, so a resource's members are JSON. */
const asRecord = (item: z.infer<typeof record>): TransferRecord =>
  item.kind === 'resource' ? { ...item, resource: item.resource as Resource } : item
