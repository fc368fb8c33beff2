import { deliveredUris, issuerAt } from '../../../../events/security-events.ts'
import type { EndpointRow, StreamRow } from '../../../../repositories/delivery/webhooks.ts'
import { SIGNING_ALGORITHM } from '../../../../signing/keyring.ts'
import { Card, Moment } from '../../parts.tsx'
import { eventsOf } from './parts.tsx'

/** How an endpoint is, and what it was set to. */
export function State({ endpoint }: { endpoint: EndpointRow }) {
  const { enabled, disabledReason, paused, statusReason, failingSince, failures, resumeAt, stream } = endpoint
  return (
    <Card title="State">
      <dl class="facts">
        <dt>For</dt>
        <dd>{endpoint.tenantId === null ? 'all tenants of the environment' : 'one tenant'}</dd>
        <dt>Events</dt>
        <dd>{eventsOf(endpoint)}</dd>
        {stream && <Tokens row={{ ...endpoint, stream }} />}
        {!enabled && (
          <>
            <dt>Disabled</dt>
            <dd>{disabledReason ?? 'no reason was given'}</dd>
          </>
        )}
        {enabled && paused && (
          <>
            <dt>Paused</dt>
            <dd>{statusReason ?? 'no reason was given'}; what happens waits</dd>
          </>
        )}
        {failingSince && (
          <>
            <dt>Fails since</dt>
            <dd>
              <Moment at={failingSince} />, {failures} times in a row
            </dd>
          </>
        )}
        {enabled && resumeAt && (
          <>
            <dt>Rests until</dt>
            <dd>
              <Moment at={resumeAt} />; then one event tries whether it is back
            </dd>
          </>
        )}
        {endpoint.previousSecretUntil && (
          <>
            <dt>Old secret signs until</dt>
            <dd>
              <Moment at={endpoint.previousSecretUntil} />
            </dd>
          </>
        )}
        <dt>Made</dt>
        <dd>
          <Moment at={endpoint.createdAt} />
        </dd>
      </dl>
    </Card>
  )
}

/** What a stream says, and how. */
function Tokens({ row }: { row: StreamRow }) {
  const { method, audience, origin, format, signals, requested, algorithm = SIGNING_ALGORITHM } = row.stream
  return (
    <>
      <dt>Tokens</dt>
      <dd>{method === 'push' ? 'are sent to it' : 'it comes for itself'}</dd>
      <dt>Audience</dt>
      <dd>{audience}</dd>
      <dt>Issuer</dt>
      <dd>{issuerAt(origin, row)}</dd>
      <dt>Signed by</dt>
      <dd>{algorithm}</dd>
      <dt>Says</dt>
      <dd>
        {requested === undefined
          ? [format === 'full' ? 'what has changed' : 'that something has changed', ...signals].join(', ')
          : deliveredUris(row.stream).join(', ') || 'nothing: the receiver has asked for nothing that there is'}
      </dd>
      {row.receiverKey !== null && (
        <>
          <dt>Managed by</dt>
          <dd>
            its receiver, with the API key <code>{row.receiverKey}</code>
          </dd>
        </>
      )}
    </>
  )
}
