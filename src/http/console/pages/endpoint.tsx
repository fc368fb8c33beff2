import { z } from 'zod'
import { changeStream, findStream } from '../../../administration/streams.ts'
import { changeWebhook, findWebhook, replayEndpoint, type WebhookPlace } from '../../../administration/webhooks.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import { issuerAt } from '../../../events/security-events.ts'
import { deadLetters, type WaitingDelivery, waitingDeliveries } from '../../../repositories/delivery/webhook-backlog.ts'
import type { EndpointRow, StreamRow } from '../../../repositories/delivery/webhooks.ts'
import { deliveryCursor, deliveryIn } from '../../admin/delivery/deliveries.ts'
import { needsPeople, seesPeople, TENANT } from '../directory.ts'
import type { ConsoleApp, ConsoleContext } from '../env.ts'
import { done, queryOf } from '../forms.ts'
import { type Here, hereOf } from '../here.ts'
import { Action, Card, cut, Moment, Pager, Table } from '../parts.tsx'
import { type EndpointKind, eventsOf, Health, nameOf } from './endpoint-parts.tsx'

const ROWS = 50
const PLACES = ['/projects/:project/environments/:environment', TENANT]
const waitingQuery = z.object({
  state: z.enum(['dead', 'pending']).default('dead'),
  after: deliveryCursor.optional(),
  done: z.string().optional(),
})

const KINDS = {
  webhooks: { title: 'Webhook', find: findWebhook, change: changeWebhook },
  streams: { title: 'Stream', find: findStream, change: changeStream },
} as const

/** The page of a webhook or a stream: whether it gets through, what it was given up on, and how to send that again. */
export function endpointPages(app: ConsoleApp, tools: Deliveries): void {
  for (const place of PLACES) for (const kind of ['webhooks', 'streams'] as const) pagesOf(app, tools, place, kind)
}

function pagesOf(app: ConsoleApp, tools: Deliveries, place: string, kind: EndpointKind): void {
  const address = `${place}/${kind}/:endpoint`
  const { title, find, change } = KINDS[kind]

  app.get(address, async (c) => {
    const { scope, path, crumbs } = await endpointPlace(c)
    const { database } = c.var
    const endpoint = await find(database, scope, c.req.param('endpoint') ?? '')
    const { state, after } = queryOf(c, waitingQuery)
    const from = after === undefined ? undefined : deliveryIn(after)
    const waiting = await waitingDeliveries(database, endpoint.id, state === 'dead', from, ROWS + 1)
    const dead = (await deadLetters(database, [endpoint.id])).get(endpoint.id) ?? 0
    const here = `${path}/${kind}/${endpoint.id}`
    return c.render(
      <>
        <div class="head">
          <h1>{nameOf(endpoint)}</h1>
          <Health endpoint={endpoint} dead={dead} />
          {endpoint.description !== '' && <p class="quiet">{endpoint.description}</p>}
        </div>
        <State endpoint={endpoint} path={here} dead={dead} may={seesPeople(c)} />
        <Waiting rows={waiting} state={state} path={here} first={after !== undefined} />
      </>,
      { title, crumbs },
    )
  })

  app.post(`${address}/replay`, async (c) => {
    needsPeople(c)
    const { scope, path } = await endpointPlace(c)
    const endpoint = await find(c.var.database, scope, c.req.param('endpoint') ?? '')
    await replayEndpoint(c.var.administration, scope, endpoint, { kind: 'dead' }, undefined)
    return done(c, `${path}/${kind}/${endpoint.id}`, 'replayed')
  })

  app.post(`${address}/enable`, async (c) => {
    needsPeople(c)
    const { scope, path } = await endpointPlace(c)
    const id = c.req.param('endpoint') ?? ''
    await change(c.var.administration, tools, scope, id, { enabled: true })
    return done(c, `${path}/${kind}/${id}`, 'enabled')
  })
}

/** Addresses of endpoints name an environment at least. */
const endpointPlace = async (c: ConsoleContext) => (await hereOf(c)) as Here & { readonly scope: WebhookPlace }

/** @param may whether the key may have people's data sent */
function State(props: { endpoint: EndpointRow; path: string; dead: number; may: boolean }) {
  const { endpoint, path, dead, may } = props
  const { enabled, disabledReason, failingSince, failures, resumeAt, stream } = endpoint
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
      {(!enabled || dead > 0) && (
        <>
          <br />
          {may ? (
            <div class="actions">
              {!enabled && <Action action={`${path}/enable`} label="Enable it again" tone="main" />}
              {dead > 0 && <Action action={`${path}/replay`} label="Send the dead letters again" />}
            </div>
          ) : (
            <p class="quiet">
              To enable it or to send dead letters again takes a key with the permission <code>directory:read</code>.
            </p>
          )}
        </>
      )}
    </Card>
  )
}

/** What a stream says, and how. */
function Tokens({ row }: { row: StreamRow }) {
  const { method, audience, origin, format, signals } = row.stream
  return (
    <>
      <dt>Tokens</dt>
      <dd>{method === 'push' ? 'are sent to it' : 'it comes for itself'}</dd>
      <dt>Audience</dt>
      <dd>{audience}</dd>
      <dt>Issuer</dt>
      <dd>{issuerAt(origin, row)}</dd>
      <dt>Says</dt>
      <dd>{[format === 'full' ? 'what has changed' : 'that something has changed', ...signals].join(', ')}</dd>
    </>
  )
}

function Waiting(props: { rows: readonly WaitingDelivery[]; state: 'dead' | 'pending'; path: string; first: boolean }) {
  const { rows, state, path, first } = props
  const { page, last } = cut(rows, ROWS)
  const tabs = [
    ['dead', 'Dead letters'],
    ['pending', 'Waiting'],
  ] as const
  return (
    <Card title="Not accepted">
      <nav class="tabs" aria-label="Which">
        {tabs.map(([name, label]) => (
          <a href={`${path}?state=${name}`} aria-current={name === state ? 'page' : undefined}>
            {label}
          </a>
        ))}
      </nav>
      {page.length === 0 ? (
        <p class="quiet">{state === 'dead' ? 'Nothing was given up.' : 'Nothing waits.'}</p>
      ) : (
        <Table head={['Event', 'Position', 'Attempts', 'Last answer', 'Next']} label="Deliveries">
          {page.map((row) => (
            <tr>
              <td>
                {row.type}
                <br />
                <code>{row.eventId}</code>
              </td>
              <td class="num">{row.position}</td>
              <td class="num">{row.attempts}</td>
              <td>{[row.lastStatus, row.lastError].filter((part) => part !== null).join(' ')}</td>
              <td>{row.state === 'dead' ? 'given up' : <Due at={row.dueAt} />}</td>
            </tr>
          ))}
        </Table>
      )}
      <Pager
        next={last && `${path}?state=${state}&after=${last.tenant}.${last.position}`}
        first={first ? `${path}?state=${state}` : undefined}
      />
    </Card>
  )
}

/** When it is sent next. What is overdue waits until the endpoint takes anything again. */
const Due = ({ at }: { at: number | null }) =>
  at !== null && at <= Date.now() ? <>due</> : <Moment at={at} never="behind another event" />
