import { deadLetters } from '../../../../repositories/delivery/webhook-backlog.ts'
import { streamsOf, webhooksOf } from '../../../../repositories/delivery/webhooks.ts'
import { seesPeople, TENANT, tenantHere } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { hereOf } from '../../here.ts'
import { NewEndpoint } from '../endpoint/making.tsx'
import { EndpointsCard } from '../endpoint/parts.tsx'

const ROWS = 20

/** `…/webhooks` of a tenant: where its events go, and whether they get through. */
export function webhooksPage(app: ConsoleApp): void {
  app.get(`${TENANT}/webhooks`, async (c) => {
    const { scope } = await tenantHere(c)
    const { path, crumbs } = await hereOf(c)
    const { database } = c.var
    const [webhooks, streams] = await Promise.all([
      webhooksOf(database, scope).list({ after: undefined, limit: ROWS + 1 }),
      streamsOf(database, scope).list({ after: undefined, limit: ROWS + 1 }),
    ])
    const dead = await deadLetters(
      database,
      [...webhooks, ...streams].map(({ id }) => id),
    )
    return c.render(
      <>
        <h1>Webhooks and streams</h1>
        <EndpointsCard kind="webhooks" endpoints={webhooks} limit={ROWS} dead={dead} path={path}>
          {seesPeople(c) && <NewEndpoint kind="webhooks" path={path} />}
        </EndpointsCard>
        <EndpointsCard kind="streams" endpoints={streams} limit={ROWS} dead={dead} path={path}>
          {seesPeople(c) && <NewEndpoint kind="streams" path={path} />}
        </EndpointsCard>
      </>,
      { title: 'Webhooks', crumbs },
    )
  })
}
