import { z } from '@hono/zod-openapi'
import type { WebhookPlace } from '../../administration/webhooks.ts'
import { RETRIES } from '../../delivery/webhook-worker.ts'
import type { EndpointRow } from '../../repositories/webhooks.ts'
import type { Asking } from './env.ts'
import { environmentAt, tenantAt } from './places.ts'
import { warnings } from './schemas.ts'

/** What an operator calls a webhook. */
export const description = z.string().max(200)
/** Which events it gets. */
export const events = z
  .array(z.string())
  .max(100)
  .openapi({ description: 'Such as `user.deactivated` or `group.*`; `*` or none for all.' })
const shape = {
  id: z.uuid(),
  tenantId: z.uuid().nullable().openapi({ description: 'Null for all tenants of the environment.' }),
  url: z.string(),
  description,
  events,
  enabled: z.boolean(),
  disabledReason: z.string().nullable(),
  failingSince: z.string().nullable().openapi({ description: 'Nothing has been taken since.' }),
  previousSecretUntil: z.string().nullable().openapi({ description: 'The secret before signs too until then.' }),
  createdAt: z.string(),
  warnings,
}
/** A webhook as the admin API shows it. */
export const webhook = z.object(shape).openapi('Webhook')
const secret = z.string().openapi({ description: 'In the form of Standard Webhooks; shown this once.' })
/** The same with its secret, in the answer that makes one. */
export const withSecret = z.object({ ...shape, secret }).openapi('WebhookWithSecret')
/** The tag of their routes in the reference. */
export const tags = ['Webhooks']

/** Path parameters of one webhook, below those of its place. */
export function oneBelow(params: z.ZodObject) {
  return params.extend({ w: z.string().openapi({ description: 'Id of the webhook.' }) })
}

/** Path parameters; which of them there are decides what they name. */
export type Names = { readonly p?: string; readonly e?: string; readonly t?: string; readonly w?: string }

/** The environment or the tenant that the path names. */
export async function placeAt(by: Asking, { p = '', e = '', t }: Names): Promise<WebhookPlace> {
  return t === undefined ? (await environmentAt(by, p, e)).scope : (await tenantAt(by, p, e, t)).scope
}

/** `row` as the admin API shows it; a warning where it will be disabled. */
export function present(row: EndpointRow): z.infer<typeof webhook> {
  const { id, tenantId, url, events, enabled, disabledReason, failingSince } = row
  const end = failingSince && new Date(failingSince.getTime() + RETRIES.disableAfterMs).toISOString()
  const failing = enabled && failingSince !== null
  return {
    ...{ id, tenantId, url, description: row.description, events, enabled, disabledReason },
    failingSince: failingSince?.toISOString() ?? null,
    previousSecretUntil: row.previousSecretUntil?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
    warnings: failing ? [`Nothing was taken since ${failingSince.toISOString()}; it will be disabled at ${end}.`] : [],
  }
}
