import { z } from 'zod'
import { changeWebhook, findWebhook, replayEndpoint, type WebhookPlace } from '../../../administration/webhooks.ts'
import type { Deliveries } from '../../../delivery/deliveries.ts'
import {
  DEAD_COUNTED,
  deadLetters,
  type WaitingDelivery,
  waitingDeliveries,
} from '../../../repositories/webhook-backlog.ts'
import type { EndpointRow } from '../../../repositories/webhooks.ts'
import type { ConsoleApp } from '../console.tsx'
import type { ConsoleContext } from '../env.ts'
import { done, queryOf } from '../forms.ts'
import { type Here, hereOf } from '../here.ts'
import { Action, Badge, Card, cut, Moment, Pager, Table } from '../parts.tsx'

const ROWS = 50
const PLACES = ['/projects/:p/environments/:e', '/projects/:p/environments/:e/tenants/:t']
const CURSOR = /^([0-9a-f-]{36})\.(\d{1,15})$/
const waitingQuery = z.object({
  state: z.enum(['dead', 'pending']).default('dead'),
  after: z.string().regex(CURSOR).optional(),
  done: z.string().optional(),
})

/** The page of a webhook: whether it gets through, what it was given up on, and how to send that again. */
export function webhookPages(app: ConsoleApp, tools: Deliveries): void {
  for (const place of PLACES) {
    const address = `${place}/webhooks/:w`

    app.get(address, async (c) => {
      const { scope, path, crumbs } = await webhookPlace(c)
      const { database } = c.var
      const endpoint = await findWebhook(database, scope, c.req.param('w') ?? '')
      const { state, after = '' } = queryOf(c, waitingQuery)
      const [, tenant, position] = CURSOR.exec(after) ?? []
      const from = tenant === undefined ? undefined : { tenant, position: Number(position) }
      const waiting = await waitingDeliveries(database, endpoint.id, state === 'dead', from, ROWS + 1)
      const dead = (await deadLetters(database, [endpoint.id])).get(endpoint.id) ?? 0
      const here = `${path}/webhooks/${endpoint.id}`
      return c.render(
        <>
          <div class="head">
            <h1>{endpoint.url}</h1>
            <Health endpoint={endpoint} dead={dead} />
            {endpoint.description !== '' && <p class="quiet">{endpoint.description}</p>}
          </div>
          <State endpoint={endpoint} path={here} dead={dead} />
          <Waiting rows={waiting} state={state} path={here} first={after !== ''} />
        </>,
        { title: 'Webhook', crumbs },
      )
    })

    app.post(`${address}/replay`, async (c) => {
      const { scope, path } = await webhookPlace(c)
      const endpoint = await findWebhook(c.var.database, scope, c.req.param('w') ?? '')
      await replayEndpoint(c.var.administration, scope, endpoint, { kind: 'dead' }, undefined)
      return done(c, `${path}/webhooks/${endpoint.id}`, 'replayed')
    })

    app.post(`${address}/enable`, async (c) => {
      const { scope, path } = await webhookPlace(c)
      const id = c.req.param('w') ?? ''
      await changeWebhook(c.var.administration, tools, scope, id, { enabled: true })
      return done(c, `${path}/webhooks/${id}`, 'enabled')
    })
  }
}

/** Addresses of webhooks name an environment at least. */
const webhookPlace = async (c: ConsoleContext) => (await hereOf(c)) as Here & { readonly scope: WebhookPlace }

/** Webhooks of a place with their dead letters, one more than `limit` where there are more. @param path of the place */
export function WebhooksCard(props: {
  webhooks: readonly EndpointRow[]
  limit: number
  dead: ReadonlyMap<string, number>
  path: string
}) {
  const { webhooks, limit, dead, path } = props
  const { page, last } = cut(webhooks, limit)
  return (
    <Card title="Webhooks">
      {page.length === 0 ? (
        <p class="quiet">There are none here.</p>
      ) : (
        <Table head={['Address', 'Events', 'State']} label="Webhooks">
          {page.map((endpoint) => (
            <tr>
              <td class="long">
                <a href={`${path}/webhooks/${endpoint.id}`}>{endpoint.url}</a>
              </td>
              <td>{endpoint.events.length === 0 ? 'all' : endpoint.events.join(', ')}</td>
              <td>
                <Health endpoint={endpoint} dead={dead.get(endpoint.id) ?? 0} />
              </td>
            </tr>
          ))}
        </Table>
      )}
      {last && <p class="quiet small">The first {limit}; the admin API lists all of them.</p>}
    </Card>
  )
}

function Health({ endpoint, dead }: { endpoint: EndpointRow; dead: number }) {
  const failing = endpoint.enabled && endpoint.failingSince !== null
  return (
    <span class="badges">
      {!endpoint.enabled && <Badge tone="bad">disabled</Badge>}
      {failing && <Badge tone="warn">failing</Badge>}
      {dead > 0 && <Badge tone="bad">{lettersOf(dead)}</Badge>}
      {endpoint.enabled && !failing && dead === 0 && <Badge tone="good">gets through</Badge>}
    </span>
  )
}

/** How many dead letters, in words. */
export function lettersOf(dead: number): string {
  if (dead === 1) return '1 dead letter'
  return dead >= DEAD_COUNTED ? `${DEAD_COUNTED} dead letters or more` : `${dead} dead letters`
}

function State({ endpoint, path, dead }: { endpoint: EndpointRow; path: string; dead: number }) {
  const { enabled, disabledReason, failingSince, failures } = endpoint
  return (
    <Card title="State">
      <dl class="facts">
        <dt>For</dt>
        <dd>{endpoint.tenantId === null ? 'all tenants of the environment' : 'one tenant'}</dd>
        <dt>Events</dt>
        <dd>{endpoint.events.length === 0 ? 'all' : endpoint.events.join(', ')}</dd>
        {!enabled && (
          <>
            <dt>Disabled</dt>
            <dd>{disabledReason ?? 'nobody said why'}</dd>
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
      <br />
      <div class="actions">
        {!enabled && <Action action={`${path}/enable`} label="Enable it again" tone="main" />}
        {dead > 0 && <Action action={`${path}/replay`} label="Send the dead letters again" />}
      </div>
    </Card>
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
    <Card title="What was not taken">
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
              <td>{row.state === 'dead' ? 'given up' : <Moment at={row.dueAt} never="behind another event" />}</td>
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
