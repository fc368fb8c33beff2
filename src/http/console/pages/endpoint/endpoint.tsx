import { z } from 'zod'
import { changeStream, deleteStream } from '../../../../administration/streams.ts'
import { changeWebhook, deleteWebhook } from '../../../../administration/webhooks.ts'
import { deadLetters, waitingDeliveries } from '../../../../repositories/delivery/webhook-backlog.ts'
import { deliveryCursor, deliveryIn, needsPeopleToSend } from '../../../admin/delivery/deliveries.ts'
import type { AdminDependencies } from '../../../control/env.ts'
import { needsPeople, seesPeople } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf, queryOf } from '../../forms.ts'
import { confirmed, DeleteCard } from '../place/danger.tsx'
import { WITH_SETTINGS } from '../place/here.ts'
import { EndpointActions, tagOfEndpoint } from './actions.tsx'
import { streamFields, webhookFields } from './fields.tsx'
import { endpointHere } from './here.ts'
import { type EndpointKind, Health, nameOf } from './parts.tsx'
import { sendingPages } from './sending.tsx'
import { State } from './state.tsx'
import { namesIn, Waiting } from './waiting.tsx'

const ROWS = 50
const waitingQuery = z.object({
  state: z.enum(['dead', 'pending']).optional(),
  after: deliveryCursor.optional(),
  done: z.string().optional(),
})

const KINDS = {
  webhooks: { title: 'Webhook', remove: deleteWebhook },
  streams: { title: 'Stream', remove: deleteStream },
} as const

/** The page of a webhook or a stream: whether it gets through, what waits or was given up, and all that is done with it. */
export function endpointPages(app: ConsoleApp, { deliveries: tools }: Pick<AdminDependencies, 'deliveries'>): void {
  for (const address of WITH_SETTINGS) {
    for (const kind of ['webhooks', 'streams'] as const) {
      pagesOf(app, tools, `${address}/${kind}/:endpoint`, kind)
      sendingPages(app, tools, `${address}/${kind}/:endpoint`, kind)
    }
  }
}

function pagesOf(app: ConsoleApp, tools: AdminDependencies['deliveries'], address: string, kind: EndpointKind): void {
  const { title, remove } = KINDS[kind]

  app.get(address, async (c) => {
    const { endpoint, path, crumbs, page } = await endpointHere(c, kind)
    const { database } = c.var
    const { state: asked, after } = queryOf(c, waitingQuery)
    const dead = (await deadLetters(database, [endpoint.id])).get(endpoint.id) ?? 0
    // An endpoint that fails has nothing given up at first: then what waits is what there is to see.
    const state = asked ?? (dead > 0 ? 'dead' : 'pending')
    const from = after === undefined ? undefined : deliveryIn(after)
    const rows = await waitingDeliveries(database, endpoint.id, state === 'dead', from, ROWS + 1)
    const may = seesPeople(c)
    return c.render(
      <>
        <div class="head">
          <h1>{nameOf(endpoint)}</h1>
          <Health endpoint={endpoint} dead={dead} />
          {endpoint.description !== '' && <p class="quiet">{endpoint.description}</p>}
        </div>
        <State endpoint={endpoint} />
        <EndpointActions endpoint={endpoint} path={page} dead={dead} may={may} />
        <Waiting
          {...{ rows, state, dead, may, limit: ROWS, path: page, first: after !== undefined }}
          names={may ? await namesIn(c, rows, path) : new Map()}
        />
        <DeleteCard
          {...{ action: `${page}/delete`, what: title.toLowerCase(), named: nameOf(endpoint) }}
          loses="All that waits for it goes with it."
          tag={tagOfEndpoint(endpoint)}
        />
      </>,
      { title, crumbs },
    )
  })

  app.post(`${address}/change`, async (c) => {
    needsPeople(c)
    const { scope, endpoint, page } = await endpointHere(c, kind)
    if (kind === 'webhooks') {
      const input = fieldsOf(c.var.form, webhookFields)
      await changeWebhook(c.var.administration, tools, scope, endpoint.id, input)
    } else {
      const { noToken, token, ...input } = fieldsOf(c.var.form, streamFields)
      await tools.box.ready()
      const url = endpoint.stream?.method === 'poll' ? {} : { token: noToken ? null : token }
      await changeStream(c.var.administration, tools, scope, endpoint.id, { ...input, ...url })
    }
    return done(c, page, 'endpoint-changed')
  })

  for (const [verb, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    if (kind === 'webhooks') break
    app.post(`${address}/${verb}`, async (c) => {
      const { scope, endpoint, page } = await endpointHere(c, kind)
      needsPeopleToSend(c.var.principal, { paused })
      await changeStream(c.var.administration, tools, scope, endpoint.id, { paused })
      return done(c, page, paused ? 'endpoint-paused' : 'endpoint-goes-on')
    })
  }

  for (const [verb, enabled, notice] of [
    ['enable', true, 'enabled'],
    ['disable', false, 'disabled'],
  ] as const) {
    app.post(`${address}/${verb}`, async (c) => {
      const { scope, endpoint, page } = await endpointHere(c, kind)
      needsPeopleToSend(c.var.principal, { enabled })
      const { administration } = c.var
      if (kind === 'webhooks') await changeWebhook(administration, tools, scope, endpoint.id, { enabled })
      else await changeStream(administration, tools, scope, endpoint.id, { enabled })
      return done(c, page, notice)
    })
  }

  app.post(`${address}/delete`, async (c) => {
    const { scope, endpoint, path } = await endpointHere(c, kind)
    confirmed(c, nameOf(endpoint))
    await remove(c.var.administration, scope, endpoint.id)
    return done(c, scope.kind === 'tenant' ? `${path}/webhooks` : path, 'deleted')
  })
}
