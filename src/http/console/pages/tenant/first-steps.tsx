import type { Child } from 'hono/jsx'
import type { ConnectionRow } from '../../../../repositories/control/connections.ts'
import type { Steps } from '../../../../repositories/control/finding/first-steps.ts'
import { Badge, Card, counted, Moment } from '../../parts.tsx'
import { providerName, usually } from '../tenant-table.tsx'

/** What is left to do until the first user arrives. @param path of the tenant */
export function FirstSteps(props: { steps: Steps; connection: ConnectionRow | undefined; path: string }) {
  const { steps, connection, path } = props
  const first = connection?.firstRequestAt ?? null
  const link = (page: string, text: string) => <a href={`${path}/${page}`}>{text}</a>
  return (
    <Card title="Until the first user arrives">
      <ol class="steps">
        <Step done={steps.hasKey} what="An API key for the identity provider">
          {steps.hasKey ? (
            'There is one that may write.'
          ) : (
            <>Make one {link('connection', 'on the page of the connection')}.</>
          )}
        </Step>
        <Step done={first !== null} what="The base URL and the key are entered there">
          {first === null ? (
            <>
              The base URL is {link('connection', 'on the page of the connection')}, with a click to select it. Have the
              identity provider test the connection then.
            </>
          ) : (
            <>
              The first request came <Moment at={first} />, from{' '}
              {providerName(connection?.provider ?? null, connection?.client ?? null) || 'a client without a name'}.
            </>
          )}
        </Step>
        <Step done={false} what="The first user">
          {connection?.failingSince == null
            ? 'Assign a person to the application there, and have it provision.'
            : `Its requests are refused, the last one with ${connection.lastFailure}.`}
        </Step>
        <Step done={steps.hasEndpoint} what="A webhook or a stream that tells the application">
          {steps.hasEndpoint ? (
            'There is one that gets the events of this tenant.'
          ) : (
            <>
              {link('webhooks', 'There is none yet')}. An application that reads the events by the admin API needs none.
            </>
          )}
        </Step>
      </ol>
    </Card>
  )
}

function Step({ done, what, children }: { done: boolean; what: string; children?: Child }) {
  return (
    <li>
      <Badge tone={done ? 'good' : 'warn'}>{done ? 'done' : 'to do'}</Badge>
      <span>
        <strong>{what}</strong>
        <br />
        <span class="quiet small">{children}</span>
      </span>
    </li>
  )
}

/** How the identity provider of a tenant is heard of. @param path of the tenant */
export function ConnectionCard({ connection, path }: { connection: ConnectionRow; path: string }) {
  const { provider, client, lastRequestAt, day, requests, failures, rhythm } = connection
  const isToday = day === new Date().toISOString().slice(0, 10)
  const refused = isToday ? failures : 0
  return (
    <Card title="Identity provider" aside={<a href={`${path}/connection`}>Connection</a>}>
      <dl class="facts">
        <dt>Client</dt>
        <dd title={client ?? undefined}>{providerName(provider, client) || 'without a name'}</dd>
        <dt>Last request</dt>
        <dd>
          <Moment at={lastRequestAt} />
        </dd>
        <dt>Today, in UTC</dt>
        <dd>
          {counted(isToday ? requests : 0, 'request')},{' '}
          {refused === 0 ? (
            'none of them refused'
          ) : (
            <a href={`${path}/requests?status=4xx&since=${day}T00:00:00Z`}>{refused} of them refused</a>
          )}
        </dd>
        <dt>Rhythm</dt>
        <dd>{usually(rhythm)}</dd>
      </dl>
    </Card>
  )
}
