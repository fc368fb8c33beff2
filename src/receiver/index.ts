export { NotAccepted } from './dispatch.ts'
export type * from './events.ts'
export type { NodeHandler, NodeRequest, NodeResponse } from './node.ts'
export {
  type ChangedNotice,
  type FullChange,
  type KeySet,
  type SecurityEvent,
  type SecurityEventHandlers,
  type SecurityEvents,
  type SessionRevoked,
  type SubjectId,
  type TokenOptions,
  type TokenReceiverOptions,
  tokenReceiver,
  tokenVerifier,
} from './tokens.ts'
export {
  type EventHandlers,
  type HeadersOf,
  verifyWebhook,
  type WebhookReceiver,
  type WebhookReceiverOptions,
  webhookReceiver,
} from './webhooks.ts'
