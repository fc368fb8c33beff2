import { v7 as uuidv7 } from 'uuid'
import type { EndpointRow } from '../repositories/delivery/webhooks.ts'
import type { SecretBox } from '../signing/secret-box.ts'
import { failure, type SendOutcome } from './sending/outgoing.ts'
import type { WebhookSender } from './sending/webhook-sender.ts'

/** Sends a message that means nothing to an endpoint, disabled or not, so that an operator sees whether it arrives. */
export async function sendTest(
  sender: WebhookSender,
  box: SecretBox,
  { id, url, secret }: EndpointRow,
  now: Date,
): Promise<SendOutcome> {
  const opened = await box.open(secret, id)
  if (opened === undefined) return failure(null, 'the secret cannot be opened; rotate it')
  const body = JSON.stringify({ type: 'webhook.test', timestamp: now.toISOString(), data: { webhook: id } })
  return sender.send({ url, id: uuidv7(), body, secrets: [opened] })
}
