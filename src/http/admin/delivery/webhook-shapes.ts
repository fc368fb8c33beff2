import { z } from '@hono/zod-openapi'
import type { EndpointRow } from '../../../repositories/delivery/webhooks.ts'
import { EXAMPLE } from '../../control/examples.ts'
import type { PlaceNames } from '../../control/places.ts'
import { endpointDescription, endpointEvents, endpointHealth, failureWarnings, restingUntil } from './deliveries.ts'

export const webhookSnapshot = z
  .boolean()
  .openapi({ description: 'Whether each event is sent with the state of its resource at that time.' })
const shape = {
  id: z.uuid(),
  tenantId: z.uuid().nullable().openapi({ description: 'Null for all tenants of the environment.' }),
  url: z.string(),
  description: endpointDescription,
  events: endpointEvents,
  snapshot: webhookSnapshot,
  previousSecretUntil: z.string().nullable().openapi({ description: 'Until then the secret before signs too.' }),
  ...endpointHealth,
}
/** A webhook as the admin API shows it. */
export const webhook = z.object(shape).openapi('Webhook')
const secret = z.string().openapi({ description: 'In the form of Standard Webhooks; shown this once.' })
/** The same with its secret, in the answer that makes one. */
export const withSecret = z.object({ ...shape, secret }).openapi('WebhookWithSecret')
/** The tag of their routes in the reference. */
export const tags = ['Webhooks']

/** A webhook of the application, as an example. */
export const exampleWebhook: z.infer<typeof webhook> = {
  ...{ id: EXAMPLE.webhookId, tenantId: null, url: 'https://shop.example.com/rollcall', description: 'The shop' },
  ...{ events: ['user.*', 'group.*'], snapshot: false, previousSecretUntil: null },
  ...{
    enabled: true,
    disabledReason: null,
    failingSince: null,
    restingUntil: null,
    createdAt: EXAMPLE.created,
    warnings: [],
  },
}
export const exampleSecret = 'whsec_QW4gZXhhbXBsZSBvZiBhIHNlY3JldCwgbm90IG9uZSE='

/** Path parameters of one webhook, below those of its place. */
export function oneBelow(params: z.ZodObject) {
  return params.extend({ webhook: z.string().openapi({ description: 'Id of the webhook.' }) })
}

/** Path parameters; which of them there are decides what they name. */
export type Names = PlaceNames & { readonly webhook?: string }

/** `row` as the admin API shows it; a warning where it will be disabled. */
export function present(row: EndpointRow): z.infer<typeof webhook> {
  const { id, tenantId, url, events, snapshot, enabled, disabledReason, failingSince } = row
  return {
    ...{ id, tenantId, url, description: row.description, events, snapshot, enabled, disabledReason },
    failingSince: failingSince?.toISOString() ?? null,
    restingUntil: restingUntil(row),
    previousSecretUntil: row.previousSecretUntil?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    warnings: failureWarnings(row),
  }
}
