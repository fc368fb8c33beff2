import { z } from 'zod'
import type { EndpointRow, StreamRow } from '../../../../repositories/delivery/webhooks.ts'
import { endpointDescription, endpointEvents } from '../../../admin/delivery/deliveries.ts'
import { streamSettings, streamToken } from '../../../admin/delivery/streams.ts'

/** Types of events as people write them: with commas, spaces or lines between. */
const eventsText = z
  .string()
  .default('')
  .transform((text) => text.split(/[\s,]+/).filter(Boolean))
  .pipe(endpointEvents)
const common = { description: endpointDescription.default(''), events: eventsText }

/** A webhook that was filled in. */
export const webhookFields = z.object({
  ...common,
  url: z.string(),
  snapshot: z
    .stringbool()
    .optional()
    .transform((given) => given ?? false),
})

const { audience, format, signals, subject, subjectIssuer, algorithm } = streamSettings
/** A stream that was filled in. A token that is left empty stays as it is. */
export const streamFields = z.object({
  ...common,
  url: z.string().default(''),
  token: streamToken.unwrap().optional(),
  noToken: z.stringbool().optional(),
  ...{ audience, format, subject, algorithm: algorithm.optional() },
  signals: z
    .union([z.string(), z.array(z.string())])
    .default([])
    .transform((chosen) => [chosen].flat())
    .pipe(signals),
  subjectIssuer: subjectIssuer.default(null),
})
export const newStreamFields = streamFields.extend({ method: z.enum(['push', 'poll']) })

/** The fields of a webhook. */
export function WebhookFields({ row }: { row?: EndpointRow | undefined }) {
  return (
    <>
      <Url value={row?.url} required />
      <Common row={row} />
      <label class="box">
        <input type="checkbox" name="snapshot" value="true" checked={row?.snapshot} />
        Send each event with the state of its resource <small>as it is when the event is sent</small>
      </label>
    </>
  )
}

/** The fields of a stream of Security Event Tokens; how it is delivered is chosen once. */
export function StreamFields({ row }: { row?: StreamRow | undefined }) {
  const stream = row?.stream
  const pushed = stream?.method !== 'poll'
  return (
    <>
      {stream === undefined && (
        <label>
          How tokens get there
          <select name="method">
            <option value="push">they are pushed to it</option>
            <option value="poll">it polls for them</option>
          </select>
          <small>This stays as it is chosen.</small>
        </label>
      )}
      {pushed && <Url value={row?.url} />}
      {pushed && (
        <label>
          Bearer token of the receiver
          <input name="token" type="password" autocomplete="off" maxlength={4000} />
          <small>{row && row.secret !== '' ? 'There is one; it stays where this is left empty.' : 'None yet.'}</small>
        </label>
      )}
      {row && row.secret !== '' && (
        <label class="box">
          <input type="checkbox" name="noToken" value="true" />
          Send no token any more
        </label>
      )}
      <label>
        Audience
        <input name="audience" value={stream?.audience} required maxlength={500} />
        <small>The “aud” by which the receiver knows that a token is for it.</small>
      </label>
      <label>
        Tokens tell
        <select name="format">
          <option value="notice" selected={stream?.format !== 'full'}>
            which attributes have changed
          </option>
          <option value="full" selected={stream?.format === 'full'}>
            their values too
          </option>
        </select>
      </label>
      <fieldset>
        <legend>Signals beside them</legend>
        {(['caep', 'risc'] as const).map((name) => (
          <label class="box">
            <input type="checkbox" name="signals" value={name} checked={stream?.signals.includes(name)} />
            {name.toUpperCase()} <small>{SIGNALS[name]}</small>
          </label>
        ))}
      </fieldset>
      <label>
        Signals name a person by
        <select name="subject">
          <option value="iss_sub" selected={stream?.subject !== 'email'}>
            issuer and subject
          </option>
          <option value="email" selected={stream?.subject === 'email'}>
            e-mail address
          </option>
        </select>
      </label>
      <label>
        Issuer of the subject
        <input name="subjectIssuer" type="url" value={stream?.subjectIssuer ?? ''} maxlength={2000} />
        <small>The identity provider. Left empty: the stream itself, with the SCIM id.</small>
      </label>
      <label>
        Signed by
        <select name="algorithm">
          {(['RS256', 'ES256'] as const).map((name) => (
            <option value={name} selected={name === (stream === undefined ? 'RS256' : (stream.algorithm ?? 'ES256'))}>
              {name}
            </option>
          ))}
        </select>
        <small>RS256 is what the CAEP Interoperability Profile wants.</small>
      </label>
      <Common row={row} />
    </>
  )
}

const SIGNALS = { caep: 'session-revoked when somebody leaves', risc: 'account-disabled and account-enabled' } as const

function Url({ value, required }: { value?: string | undefined; required?: boolean }) {
  return (
    <label>
      Address
      <input name="url" type="url" value={value} required={required} maxlength={2000} placeholder="https://" />
    </label>
  )
}

function Common({ row }: { row: EndpointRow | undefined }) {
  return (
    <>
      <label>
        Events
        <input name="events" value={row?.events.join(', ')} placeholder="all" spellcheck={false} />
        <small>
          Such as <code>user.deactivated, group.*</code>; left empty: all.
        </small>
      </label>
      <label>
        Description
        <input name="description" value={row?.description} maxlength={200} />
      </label>
    </>
  )
}
