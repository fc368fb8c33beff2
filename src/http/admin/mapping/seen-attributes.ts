import { createRoute, z } from '@hono/zod-openapi'
import { registryAt } from '../../../administration/mapping/in-force.ts'
import { seenAttributes } from '../../../administration/mapping/seen-attributes.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { TENANT } from '../../control/levels.ts'
import { tenantAt } from '../../control/places.ts'
import { jsonAnswer, problems, tenantParams } from '../../control/schemas.ts'

const attribute = z.object({
  path: z.string().openapi({ description: 'As clients name it.' }),
  type: z.enum(['string', 'boolean', 'integer', 'decimal', 'complex']).openapi({
    description: 'What a schema would say of it, by the values that were sent.',
  }),
  multiValued: z.boolean(),
  requests: z.number().int().openapi({ description: 'How many of the requests that were looked at have it.' }),
  lastAt: z.string(),
  examples: z.array(z.string()).openapi({ description: 'Values as JSON, in which letters and digits are masked.' }),
})
const seen = z
  .object({
    items: z.array(attribute),
    requests: z.number().int().openapi({ description: 'How many requests were looked at.' }),
    since: z.string().nullable().openapi({ description: 'When the oldest of these came.' }),
  })
  .openapi('SeenAttributes')

const list = createRoute({
  method: 'get',
  path: `${TENANT.path}/seen-attributes`,
  operationId: 'listSeenAttributes',
  summary: 'List attributes of users that were sent and are in no schema of a tenant',
  tags: ['Mapping'],
  description:
    'They are not kept, and a mapping cannot read them. Register a schema extension that has them: they are kept from then on. They are ' +
    'found in the latest requests of the provisioning log, so there are none where the setting `requestLog` is `off`.',
  request: { params: tenantParams },
  responses: {
    200: jsonAnswer(seen, 'Those that most requests have come first', {
      items: [
        {
          ...{ path: 'costCode', type: 'string', multiValued: false, requests: 12, lastAt: EXAMPLE.changed },
          examples: ['"••-••••"'],
        },
      ],
      ...{ requests: 200, since: EXAMPLE.created },
    }),
    ...problems,
  },
})

/** `…/seen-attributes` of a tenant in the admin API. */
export function seenAttributeRoutes(app: AdminApp): void {
  app.openapi(list, async (c) => {
    const { environment, tenant, scope } = await tenantAt(c.var, c.req.valid('param'))
    const { database } = c.var
    const registry = await registryAt(database, scope, environment.settings, tenant.settings)
    const { attributes, requests, since } = await seenAttributes(database, tenant.id, registry)
    const items = attributes.map(({ lastAt, examples, ...one }) => ({
      ...one,
      lastAt: new Date(lastAt).toISOString(),
      examples: [...examples],
    }))
    return c.json({ items, requests, since: since === undefined ? null : new Date(since).toISOString() }, 200)
  })
}
