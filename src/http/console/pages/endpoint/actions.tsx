import { randomUUID } from 'node:crypto'
import { streamState, webhookState } from '../../../../administration/states/state-tags.ts'
import type { EndpointRow, StreamRow } from '../../../../repositories/delivery/webhooks.ts'
import { entityTag } from '../../../control/conditional.ts'
import { FORM_ID_FIELD } from '../../once.ts'
import { Action, Card, Form } from '../../parts.tsx'
import { StreamFields, WebhookFields } from './fields.tsx'

/** The tag of what the page of an endpoint shows. */
export const tagOfEndpoint = (endpoint: EndpointRow): string =>
  entityTag(endpoint.stream === null ? webhookState(endpoint) : streamState(endpoint as StreamRow))

/**
 * What is done with an endpoint.
 *
 * @param path of its page
 * @param may whether the key may have people's data sent
 */
export function EndpointActions(props: { endpoint: EndpointRow; path: string; dead: number; may: boolean }) {
  const { endpoint, path, dead, may } = props
  const { enabled, paused, stream } = endpoint
  const tag = tagOfEndpoint(endpoint)
  return (
    <Card title="What to do">
      <div class="actions">
        {may && !enabled && <Action action={`${path}/enable`} label="Enable it again" tone="main" />}
        {may && stream?.method !== 'poll' && <Action action={`${path}/test`} label="Send a test message" />}
        {may && dead > 0 && (
          <Action action={`${path}/replay`} label="Send the dead letters again" fields={{ which: 'dead' }} />
        )}
        {may && <ReplaySince path={path} />}
        {may && <Change endpoint={endpoint} path={path} tag={tag} />}
        {stream === null && <RotateSecret path={path} tag={tag} />}
        {may && enabled && paused && <Action action={`${path}/resume`} label="Go on sending" tone="main" />}
        {stream !== null && enabled && !paused && (
          <Action
            action={`${path}/pause`}
            label="Pause"
            ask="What happens waits for it until it goes on, as long as events are kept."
          />
        )}
        {enabled && (
          <Action
            action={`${path}/disable`}
            label="Disable"
            ask="Events are not queued for it while it is disabled. They can be sent again once it is enabled."
            tone="bad"
          />
        )}
      </div>
      {!may && (
        <p class="quiet">
          To change it, enable it or send anything takes a key with the permission <code>directory:read</code>.
        </p>
      )}
    </Card>
  )
}

function Change({ endpoint, path, tag }: { endpoint: EndpointRow; path: string; tag: string }) {
  return (
    <details>
      <summary>Change …</summary>
      <Form action={`${path}/change`} class="fields" tag={tag}>
        {endpoint.stream === null ? <WebhookFields row={endpoint} /> : <StreamFields row={endpoint as StreamRow} />}
        <button type="submit" class="main">
          Save
        </button>
      </Form>
    </details>
  )
}

function ReplaySince({ path }: { path: string }) {
  return (
    <details>
      <summary>Send events again since …</summary>
      <Form action={`${path}/replay`} class="fields">
        <input type="hidden" name="which" value="since" />
        <label>
          From (UTC)
          <input type="datetime-local" name="since" required />
        </label>
        <label>
          Until (UTC)
          <input type="datetime-local" name="until" />
          <small>Left empty: until now.</small>
        </label>
        <button type="submit" class="main">
          Send them again
        </button>
      </Form>
    </details>
  )
}

function RotateSecret({ path, tag }: { path: string; tag: string }) {
  return (
    <details>
      <summary>New secret …</summary>
      <Form action={`${path}/rotate-secret`} class="fields" tag={tag}>
        <input type="hidden" name={FORM_ID_FIELD} value={randomUUID()} />
        <label>
          The old secret signs beside the new one
          <select name="keepHours">
            <option value="24">for a day</option>
            <option value="168">for a week</option>
            <option value="0">no longer: it has leaked</option>
          </select>
        </label>
        <button type="submit" class="main">
          Make a new secret
        </button>
      </Form>
    </details>
  )
}
