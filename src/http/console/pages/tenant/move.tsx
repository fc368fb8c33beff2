import { z } from 'zod'
import { endFormerUrls, type Moved, moveTenant, previewMove } from '../../../../administration/tenant-moves.ts'
import { formerUrlsOf, MOST_DAYS, move, movePlaces } from '../../../admin/tenant-moves.ts'
import type { AdminDependencies } from '../../../control/env.ts'
import { environmentAt, type PlaceNames } from '../../../control/places.ts'
import { TENANT, tenantHere } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf, NOTHING_SENT } from '../../forms.ts'
import { hereOf } from '../../here.ts'
import { Action, Card, Copy, counted, Form, Moment, Table } from '../../parts.tsx'
import { pathTo } from '../../paths.ts'
import { inWords } from '../place/fields.tsx'

const moveFields = z.object({
  ...move.shape,
  keepFormerUrlDays: z.coerce.number().int().min(0).max(MOST_DAYS),
  step: z.enum(['preview', 'move']),
})
type FormerUrl = Awaited<ReturnType<typeof formerUrlsOf>>[number]

/** `…/move` of a tenant: to another environment or key, with a preview, and the base URLs from before moves. */
export function movePages(app: ConsoleApp, { config }: Pick<AdminDependencies, 'config'>): void {
  const address = `${TENANT}/move`

  app.get(address, async (c) => {
    const { project, environment, tenant } = await tenantHere(c)
    const { path, crumbs } = await hereOf(c)
    const former = await formerUrlsOf(c, config, tenant.id)
    return c.render(
      <>
        <h1>Move</h1>
        <Card title="Where to">
          <p class="quiet small">
            Ids, events, keys, webhooks and its own settings go with it. It takes a key that reaches both environments.
          </p>
          <Form action={`${path}/move`} class="fields">
            <label>
              Project
              <input name="project" value={project.key} required maxlength={64} spellcheck={false} />
            </label>
            <label>
              Environment
              <input name="environment" value={environment.key} required maxlength={64} spellcheck={false} />
            </label>
            <label>
              Key there
              <input name="key" value={tenant.key} required maxlength={64} spellcheck={false} />
            </label>
            <label>
              The base URL from before leads to it for
              <input name="keepFormerUrlDays" type="number" min={0} max={MOST_DAYS} value="30" required />
              <small>Days, for its own keys alone. 0: it ends at once.</small>
            </label>
            <button type="submit" name="step" value="preview">
              Preview
            </button>
          </Form>
        </Card>
        <FormerUrls urls={former} path={path} />
      </>,
      { title: 'Move', crumbs },
    )
  })

  app.post(address, async (c) => {
    const { path, crumbs } = await hereOf(c)
    const { step, ...input } = fieldsOf(c.var.form, moveFields)
    const { from, place, to, destination } = await movePlaces(c.var, c.req.param() as PlaceNames, input)
    if (step === 'move') {
      await moveTenant(c.var.administration, from.scope, place.tenant.id, destination)
      return done(c, pathTo(to.project.key, to.environment.key, destination.key), 'moved')
    }
    const would = await previewMove(c.var.administration, from.scope, place.tenant.id, destination)
    const sent = [...c.var.form].filter(([name]) => !NOTHING_SENT.has(name) && name !== 'step')
    return c.render(
      <>
        <h1>Preview</h1>
        <Outcome {...would} />
        <Card title="Move it?">
          <Form action={`${path}/move`} class="actions">
            {sent.map(([name, value]) => (
              <input type="hidden" name={name} value={value} />
            ))}
            <button type="submit" name="step" value="move" class="bad">
              Move it to {to.project.key} / {to.environment.key} / {destination.key}
            </button>
            <a class="button" href={`${path}/move`}>
              Leave it where it is
            </a>
          </Form>
        </Card>
      </>,
      { title: 'Preview', crumbs },
    )
  })

  app.post(`${TENANT}/former-base-urls/end`, async (c) => {
    await environmentAt(c.var, c.req.param() as PlaceNames)
    const { scope, tenant } = await tenantHere(c)
    const { path } = await hereOf(c)
    await endFormerUrls(c.var.administration, scope, tenant.id)
    return done(c, `${path}/move`, 'former-ended')
  })
}

function FormerUrls({ urls, path }: { urls: readonly FormerUrl[]; path: string }) {
  if (urls.length === 0) return null
  return (
    <Card title="Base URLs from before">
      <Table head={['Base URL', 'Ends']} label="Base URLs from before">
        {urls.map(({ scimBaseUrl, endsAt }) => (
          <tr>
            <td class="long">
              <Copy text={scimBaseUrl} />
            </td>
            <td>
              <Moment at={endsAt} />
            </td>
          </tr>
        ))}
      </Table>
      <Action
        action={`${path}/former-base-urls/end`}
        label="End them now"
        ask="An identity provider that still uses one of them gets 404 within a second."
        tone="bad"
      />
    </Card>
  )
}

/** What a move comes to. */
function Outcome({ differences, droppedDeliveries, formerUrlEndsAt }: Moved) {
  return (
    <Card title="What the move does">
      <ul>
        <li>
          {formerUrlEndsAt === undefined ? (
            'The base URL from before ends at once.'
          ) : (
            <>
              The base URL from before ends <Moment at={formerUrlEndsAt} />.
            </>
          )}
        </li>
        <li>
          {droppedDeliveries === 0
            ? 'No delivery is lost.'
            : `${counted(droppedDeliveries, 'delivery', 'deliveries')} to webhooks of the old environment will not be sent.`}
        </li>
      </ul>
      {differences.length > 0 && (
        <Table head={['Setting', 'Here', 'There', 'After the move']} label="Settings that differ">
          {differences.map(({ setting, here, there, kept }) => (
            <tr>
              <td>
                <code>{setting}</code>
              </td>
              <td class="long">{inWords(here)}</td>
              <td class="long">{inWords(there)}</td>
              <td>{kept ? 'stays, as its own' : 'as there'}</td>
            </tr>
          ))}
        </Table>
      )}
    </Card>
  )
}
