import { findStream } from '../../../../administration/streams.ts'
import { findWebhook, type WebhookPlace } from '../../../../administration/webhooks.ts'
import type { EndpointRow } from '../../../../repositories/delivery/webhooks.ts'
import type { ConsoleContext } from '../../env.ts'
import { type Here, hereOf } from '../../here.ts'
import type { EndpointKind } from './parts.tsx'

const FIND = { webhooks: findWebhook, streams: findStream } as const

/** The environment or the tenant whose endpoints an address names. @throws {Refusal} 403 or 404 */
export const endpointPlace = async (c: ConsoleContext) => (await hereOf(c)) as Here & { readonly scope: WebhookPlace }

/** The endpoint that an address names, where it is, and the address of its page. @throws {Refusal} 403 or 404 */
export async function endpointHere(c: ConsoleContext, kind: EndpointKind) {
  const place = await endpointPlace(c)
  const endpoint: EndpointRow = await FIND[kind](c.var.database, place.scope, c.req.param('endpoint') ?? '')
  return { ...place, endpoint, page: `${place.path}/${kind}/${endpoint.id}` }
}
