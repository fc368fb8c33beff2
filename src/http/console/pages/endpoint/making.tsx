import { randomUUID } from 'node:crypto'
import { createStream } from '../../../../administration/streams.ts'
import { createWebhook, type WithSecret } from '../../../../administration/webhooks.ts'
import type { AdminDependencies } from '../../../control/env.ts'
import { issuerOf } from '../../../control/origin.ts'
import { needsPeople } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf } from '../../forms.ts'
import { FORM_ID_FIELD, oncePerForm } from '../../once.ts'
import { Card, Copy, Form } from '../../parts.tsx'
import { WITH_SETTINGS } from '../place/here.ts'
import { newStreamFields, StreamFields, WebhookFields, webhookFields } from './fields.tsx'
import { endpointPlace } from './here.ts'
import type { EndpointKind } from './parts.tsx'

/** How webhooks and streams are made, for an environment or for one tenant. */
export function newEndpointPages(
  app: ConsoleApp,
  { deliveries: tools, config }: Pick<AdminDependencies, 'deliveries' | 'config'>,
): void {
  const once = oncePerForm()
  for (const address of WITH_SETTINGS) {
    app.post(`${address}/webhooks`, async (c) => {
      needsPeople(c)
      const { scope, path, crumbs } = await endpointPlace(c)
      const input = fieldsOf(c.var.form, webhookFields)
      // Inside the transaction of the form there would be no way to ask for it.
      await tools.box.ready()
      return once(
        c,
        `${path}/webhooks`,
        (administration) => createWebhook(administration, tools, scope, input),
        (made) =>
          c.render(<SecretOnce made={made} path={`${path}/webhooks/${made.id}`} />, { title: 'New webhook', crumbs }),
      )
    })

    app.post(`${address}/streams`, async (c) => {
      needsPeople(c)
      const { scope, path } = await endpointPlace(c)
      const { token = null, noToken: _, ...input } = fieldsOf(c.var.form, newStreamFields)
      await tools.box.ready()
      const stream = { ...input, token, origin: issuerOf(c, config) }
      const made = await createStream(c.var.administration, tools, scope, stream)
      return done(c, `${path}/streams/${made.id}`, 'endpoint-made')
    })
  }
}

/** A form for a new webhook or stream, behind a fold. @param path of the place */
export function NewEndpoint({ kind, path }: { kind: EndpointKind; path: string }) {
  const what = kind === 'webhooks' ? 'webhook' : 'stream of Security Event Tokens'
  return (
    <details class="more">
      <summary>New {what} …</summary>
      <Form action={`${path}/${kind}`} class="fields">
        <input type="hidden" name={FORM_ID_FIELD} value={randomUUID()} />
        {kind === 'webhooks' ? <WebhookFields /> : <StreamFields />}
        <button type="submit" class="main">
          Make the {kind === 'webhooks' ? 'webhook' : 'stream'}
        </button>
      </Form>
    </details>
  )
}

/** The secret of a webhook, the one time that it is shown. @param path of its page */
export function SecretOnce({ made, path }: { made: WithSecret; path: string }) {
  return (
    <>
      <h1>{made.url}</h1>
      <Card title="Secret">
        <p class="warning">This is shown this once and kept nowhere. Copy it now; a click selects it.</p>
        <Copy text={made.newSecret} />
        <p class="small quiet">The receiver checks with it that messages come from here, by Standard Webhooks.</p>
        <p>
          <a href={path}>I have it; show the webhook’s page</a>
        </p>
      </Card>
    </>
  )
}
