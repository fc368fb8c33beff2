import { z } from 'zod'
import { Refusal } from '../../../../administration/refusal.ts'
import { recordEndpointTest, replayEndpoint, rotateWebhookSecret } from '../../../../administration/webhooks.ts'
import type { SendOutcome } from '../../../../delivery/sending/outgoing.ts'
import { pushVerification } from '../../../../delivery/stream-push.ts'
import { sendTest } from '../../../../delivery/webhook-test.ts'
import type { ReplayFrom } from '../../../../repositories/delivery/webhook-backlog.ts'
import type { StreamRow } from '../../../../repositories/delivery/webhooks.ts'
import type { AdminDependencies } from '../../../control/env.ts'
import { needsPeople } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf } from '../../forms.ts'
import { oncePerForm } from '../../once.ts'
import { Badge, Card } from '../../parts.tsx'
import { endpointHere } from './here.ts'
import { SecretOnce } from './making.tsx'
import { type EndpointKind, nameOf } from './parts.tsx'

/** A moment as browsers send it, in UTC. */
const utc = z.iso.datetime({ local: true }).transform((text) => new Date(`${text}Z`))
const wish = z.discriminatedUnion('which', [
  z.object({ which: z.literal('dead') }),
  z.object({ which: z.literal('one'), tenant: z.uuid(), position: z.coerce.number().int().min(1) }),
  z.object({ which: z.literal('since'), since: utc, until: utc.optional() }),
])
const rotation = z.object({ keepHours: z.coerce.number().min(0).max(168) })

/** What is sent to an endpoint on request: a test message, and events again; and how a webhook gets another secret. */
export function sendingPages(
  app: ConsoleApp,
  tools: AdminDependencies['deliveries'],
  address: string,
  kind: EndpointKind,
): void {
  const once = oncePerForm()

  app.post(`${address}/replay`, async (c) => {
    needsPeople(c)
    const { scope, endpoint, page } = await endpointHere(c, kind)
    const input = fieldsOf(c.var.form, wish)
    const tenant = input.which === 'one' ? input.tenant : undefined
    await replayEndpoint(c.var.administration, scope, endpoint, replayFrom(input), tenant)
    return done(c, page, input.which === 'one' ? 'sent-again' : 'replayed')
  })

  app.post(`${address}/test`, async (c) => {
    needsPeople(c)
    const { scope, endpoint, page, crumbs } = await endpointHere(c, kind)
    if (endpoint.stream?.method === 'poll')
      throw new Refusal(409, 'The receiver of this stream polls for its tokens; there is nothing to push.')
    const outcome =
      endpoint.stream === null
        ? await sendTest(tools.sender, tools.box, endpoint, new Date())
        : await pushVerification(tools, endpoint as StreamRow, new Date())
    await recordEndpointTest(c.var.administration, scope, endpoint, outcome.ok)
    return c.render(
      <>
        <h1>{nameOf(endpoint)}</h1>
        <Outcome outcome={outcome} page={page} />
      </>,
      { title: 'Test', crumbs },
    )
  })

  if (kind === 'streams') return
  app.post(`${address}/rotate-secret`, async (c) => {
    const { scope, endpoint, path, page, crumbs } = await endpointHere(c, kind)
    const { keepHours } = fieldsOf(c.var.form, rotation)
    await tools.box.ready()
    return once(
      c,
      `${path}/webhooks`,
      (administration) => rotateWebhookSecret(administration, tools, scope, endpoint.id, keepHours, new Date()),
      (made) => c.render(<SecretOnce made={made} path={page} />, { title: 'New secret', crumbs }),
    )
  })
}

function replayFrom(input: z.infer<typeof wish>): ReplayFrom {
  switch (input.which) {
    case 'dead':
      return { kind: 'dead' }
    case 'one':
      return { kind: 'positions', positions: [input.position] }
    case 'since':
      return { kind: 'time', since: input.since, until: input.until }
  }
}

/** What the receiver of a test message has answered. @param page of the endpoint */
function Outcome({ outcome, page }: { outcome: SendOutcome; page: string }) {
  return (
    <Card
      title="What came of the test message"
      aside={outcome.ok ? <Badge tone="good">accepted</Badge> : <Badge tone="bad">not accepted</Badge>}
    >
      <dl class="facts">
        <dt>Answer</dt>
        <dd>{outcome.status ?? 'none'}</dd>
        {!outcome.ok && (
          <>
            <dt>Why</dt>
            <dd>{outcome.error}</dd>
          </>
        )}
      </dl>
      <br />
      <p>
        <a href={page}>Back to its page</a>
      </p>
    </Card>
  )
}
