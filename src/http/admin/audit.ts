import { createRoute, z } from '@hono/zod-openapi'
import { type AuditEntry, listAuditEntries } from '../../repositories/control/audit.ts'
import type { AdminApp } from '../control/env.ts'
import { EXAMPLE } from '../control/examples.ts'
import { ENVIRONMENT, INSTANCE, type Level, PROJECT, TENANT } from '../control/levels.ts'
import { placeNamed } from '../control/places.ts'
import { jsonAnswer, listAnswer, listOf, pageQuery, problems, scopeShape } from '../control/schemas.ts'

const values = z.record(z.string(), z.unknown()).nullable()
const entry = z
  .object({
    id: z.string().openapi({ description: 'Number in the order in which things were done.' }),
    at: z.string(),
    actor: z.string().openapi({
      description:
        'Id of the API key; "admin" is the key that the configuration gives, "rollcall" the gateway itself. A person in the ' +
        'console is "oidc:" and the subject that the issuer gives.',
    }),
    actorName: z.string().nullable().openapi({ description: 'What the issuer calls a person; null for an API key.' }),
    action: z.string().openapi({ description: 'Such as "tenant.created" or "api_key.rotated".' }),
    place: scopeShape,
    target: z.object({ id: z.string(), name: z.string() }),
    before: values.openapi({ description: 'What it was; of a change, what differs. Never a secret.' }),
    after: values.openapi({ description: 'What it became.' }),
    address: z.string().nullable().openapi({ description: 'IP address of the client.' }),
    requestId: z.string().nullable(),
  })
  .openapi('AuditEntry')

const example: z.infer<typeof entry> = {
  ...{ id: '1042', at: EXAMPLE.changed, actor: EXAMPLE.adminKeyId, actorName: null },
  action: 'tenant.changed',
  place: {
    ...{ kind: 'tenant', projectId: EXAMPLE.projectId },
    ...{ environmentId: EXAMPLE.environmentId, tenantId: EXAMPLE.tenantId },
  },
  target: { id: EXAMPLE.tenantId, name: 'acme' },
  ...{ before: { paused: false }, after: { paused: true } },
  ...{ address: '203.0.113.7', requestId: EXAMPLE.requestId },
}

/**
 * `…/audit-log` of the admin API: what was done to the control plane, for the whole instance, a project, an environment or a
 * tenant, and for all below. It is only ever appended to.
 */
export function auditRoutes(app: AdminApp): void {
  for (const level of [INSTANCE, PROJECT, ENVIRONMENT, TENANT]) routeAt(app, level)
}

const entries = listOf(entry, 'AuditEntryList')

function routeAt(app: AdminApp, { path, params, prefix, of }: Level): void {
  const list = createRoute({
    method: 'get',
    path: `${path}/audit-log`,
    operationId: `list${prefix}AuditEntries`,
    summary: `List entries of the audit log${of}`,
    tags: ['Audit log'],
    request: { params, query: pageQuery(z.string().regex(/^[0-9]{1,15}$/, 'must be the id of an entry')) },
    responses: {
      200: jsonAnswer(entries, 'What was done here and in all places below, the newest first', {
        items: [example],
        next: '1042',
      }),
      ...problems,
    },
  })
  app.openapi(list, async (c) => {
    const at = await placeNamed(c.var, c.req.param())
    const { after, limit } = c.req.valid('query')
    const rows = await listAuditEntries(c.var.database, at, { after, limit: limit + 1 })
    return c.json(listAnswer(rows, limit, present), 200)
  })
}

const present = ({ at, ...row }: AuditEntry): z.infer<typeof entry> => ({ ...row, at: at.toISOString() })
