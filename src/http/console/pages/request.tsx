import { oneRequest, type RequestDetails, type ShownBody } from '../../../administration/requests.ts'
import { DEVIATIONS, type DeviationName, type Leniency } from '../../../scim/deviations/index.ts'
import { needs } from '../../permissions.ts'
import { TENANT, tenantHere } from '../directory.ts'
import type { ConsoleApp, ConsoleContext } from '../env.ts'
import { hereOf } from '../here.ts'
import { Badge, Card, counted, Form, Moment, Table } from '../parts.tsx'
import { OPERATION_NAMES, Status } from './requests.tsx'

/** `…/requests/<id>` of a tenant: one request with its bodies and what came of it; and the form that reveals people in it. */
export function requestPage(app: ConsoleApp): void {
  app.get(`${TENANT}/requests/:request`, (c) => show(c, false))
  app.post(`${TENANT}/requests/:request/reveal`, (c) => {
    needs(c.var.principal, 'requests:reveal')
    return show(c, true)
  })
}

async function show(c: ConsoleContext, reveal: boolean): Promise<Response> {
  const { scope } = await tenantHere(c)
  const { path, crumbs } = await hereOf(c)
  const list = `${path}/requests`
  const request = await oneRequest(c.var.administration, scope, c.req.param('request') ?? '', { reveal })
  const mayReveal = c.var.principal.permissions.has('requests:reveal')
  return c.render(
    <>
      <div class="head">
        <h1>
          {request.method} {request.path}
        </h1>
        <Status status={request.status} />
        {request.masked ? <Badge>people are masked</Badge> : <Badge tone="warn">people are shown</Badge>}
        {request.masked && mayReveal && (
          <div class="actions">
            <Form action={`${list}/${request.id}/reveal`}>
              <button type="submit">Reveal people</button>
            </Form>
          </div>
        )}
      </div>
      <Outcome request={request} />
      <Facts request={request} path={path} />
      {request.deviations.length > 0 && <Deviations names={request.deviations} />}
      <div class="two">
        <Body title="Request" body={request.request} none="It had no body, or none was kept." />
        <Body title="Response" body={request.response} none="It had no body, or none is kept of such answers." />
      </div>
      <Events request={request} path={path} />
    </>,
    { title: 'Request', crumbs: [...crumbs, { name: 'Requests', path: list }] },
  )
}

/** What happened, in a sentence or two, before all that was sent. */
function Outcome({ request: { status, detail, events, operation, explanation } }: { request: RequestDetails }) {
  if (status >= 400)
    return (
      <section class={`warning${status >= 500 ? ' bad' : ''}`} aria-label="What was wrong">
        <p>
          <strong>{explanation?.problem ?? 'It was refused.'}</strong>
        </p>
        <p>{explanation?.remedy}</p>
        <p class="small">The client was told: {detail}</p>
      </section>
    )
  const changes = ['create', 'replace', 'modify', 'delete', 'bulk'].includes(operation)
  return (
    <p class="notice" role="status">
      It was done.{' '}
      {changes &&
        (events.length === 0
          ? 'Nothing had to change, so there is no event.'
          : `${counted(events.length, 'event')} came of it.`)}
    </p>
  )
}

const COLLECTIONS: Readonly<Record<string, string>> = { Users: 'users', Groups: 'groups' }

function Facts({ request, path }: { request: RequestDetails; path: string }) {
  const { at, operation, ms, client, key, requestId, scimType, resource } = request
  const collection = resource && COLLECTIONS[resource.endpoint]
  return (
    <Card title="What it was">
      <dl class="facts">
        <dt>When</dt>
        <dd>
          <Moment at={at} />{' '}
          <span class="quiet">
            {new Date(at).toISOString()}, {ms} ms
          </span>
        </dd>
        <dt>Operation</dt>
        <dd>{OPERATION_NAMES[operation]}</dd>
        <dt>API key</dt>
        <dd>
          {key === null ? 'none that is known here' : key.name} {key && <code>{key.id}</code>}
        </dd>
        <dt>Client</dt>
        <dd>{client ?? 'unknown'}</dd>
        {resource && (
          <>
            <dt>About</dt>
            <dd>
              {collection ? (
                <a href={`${path}/${collection}/${resource.id}`}>{resource.id}</a>
              ) : (
                <code>{resource.id}</code>
              )}
            </dd>
          </>
        )}
        {scimType && (
          <>
            <dt>scimType</dt>
            <dd>
              <code>{scimType}</code>
            </dd>
          </>
        )}
        <dt>Request id</dt>
        <dd>
          <code>{requestId}</code>
        </dd>
      </dl>
    </Card>
  )
}

function Deviations({ names }: { names: readonly DeviationName[] }) {
  return (
    <Card title="Read otherwise than the RFCs say">
      <ul class="plain">
        {names.map((name) => {
          const { sent, readAs } = DEVIATIONS[name] as Partial<Leniency>
          return (
            <li>
              <code>{name}</code>{' '}
              {sent !== undefined && (
                <span class="quiet small">
                  {plain(sent)} is read as {plain(readAs ?? '')}
                </span>
              )}
            </li>
          )
        })}
      </ul>
    </Card>
  )
}

/** The texts are Markdown, of which they have code marks alone. */
const plain = (text: string): string => text.replaceAll('`', '')

function Body({ title, body, none }: { title: string; body: ShownBody | null; none: string }) {
  return (
    <Card
      title={title}
      aside={
        body?.cut ? <Badge tone="warn">{`the beginning of ${body.length.toLocaleString('en')}`}</Badge> : undefined
      }
    >
      {body === null ? (
        <p class="quiet">{none}</p>
      ) : body.text === null ? (
        <p class="quiet">It is left out: it may have a secret that cannot be taken out.</p>
      ) : (
        // What scrolls has to be reached by keyboard.
        <section class="body" tabindex={0} aria-label={`Body of the ${title.toLowerCase()}`}>
          <pre>{pretty(body.text)}</pre>
        </section>
      )}
    </Card>
  )
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

function Events({ request: { events }, path }: { request: RequestDetails; path: string }) {
  if (events.length === 0) return null
  return (
    <Card title="What came of it" aside={<a href={`${path}/events`}>All events</a>}>
      <Table head={['Event', 'Of', 'State', 'Deliveries']} label="Events of the request">
        {events.map(({ type, resourceType, resourceId, state, deliveries }) => (
          <tr>
            <td>{type}</td>
            <td class="long">
              {resourceType} <code>{resourceId}</code>
            </td>
            <td>{STATES[state]}</td>
            <td class="long">
              {state === 'logged' && deliveries.length === 0 && <span class="quiet">nothing is outstanding</span>}
              <ul class="plain">
                {deliveries.map(({ kind, endpointId, attempts, dead, lastStatus, lastError }) => (
                  <li>
                    <a href={`${path}/${kind}s/${endpointId}`}>{kind}</a>{' '}
                    {dead ? <Badge tone="bad">given up</Badge> : <Badge tone="warn">waits</Badge>} after{' '}
                    {counted(attempts, 'attempt')} {lastStatus ?? lastError ?? ''}
                  </li>
                ))}
              </ul>
            </td>
          </tr>
        ))}
      </Table>
    </Card>
  )
}

const STATES = {
  waiting: 'waits for its place in the log',
  held: 'held by the leaver brake',
  logged: 'in the log',
} as const
