import { z } from 'zod'
import { readLatest } from '../../../delivery/read-log.ts'
import type { LoggedEvent } from '../../../events/event.ts'
import type { TenantId } from '../../../place-ids.ts'
import { labelsOf } from '../../../repositories/control/summaries.ts'
import type { BackwardPage } from '../../../repositories/log/latest-events.ts'
import type { AdminDependencies } from '../../control/env.ts'
import { directoryHere, TENANT } from '../directory.ts'
import type { ConsoleApp, ConsoleContext } from '../env.ts'
import { queryOf } from '../forms.ts'
import { hereOf } from '../here.ts'
import { Card, Pager } from '../parts.tsx'
import { Timeline } from './timeline.tsx'

const ROWS = 50

/** The `before` of a page of events. */
export const beforeQuery = z.object({ before: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional() })

/** `…/events` of a tenant: its log, the newest first. */
export function eventPages(app: ConsoleApp, dependencies: Pick<AdminDependencies, 'control' | 'config'>): void {
  app.get(`${TENANT}/events`, async (c) => {
    const { tenant } = await directoryHere(c, dependencies)
    const { path, crumbs } = await hereOf(c)
    const { before } = queryOf(c, beforeQuery)
    const { next, ...shown } = await eventsWithNames(c, tenant.id, { before, limit: ROWS })
    const here = `${path}/events`
    return c.render(
      <>
        <h1>Events</h1>
        <Card title="What happened">
          {shown.events.length === 0 ? <p class="quiet">Nothing is kept here.</p> : <Timeline {...shown} path={path} />}
          <Pager next={next && `${here}?before=${next}`} first={before && here} older="Older" />
        </Card>
      </>,
      { title: 'Events', crumbs },
    )
  })
}

/** Events of a tenant backwards, and what their resources are called. */
export async function eventsWithNames(
  c: ConsoleContext,
  tenantId: TenantId,
  page: BackwardPage,
): Promise<{ events: readonly LoggedEvent[]; labels: ReadonlyMap<string, string>; next: number | undefined }> {
  const { events, next } = await readLatest(c.var.database, tenantId, page)
  const ids = events.map(({ resourceId }) => resourceId)
  return { events, labels: await labelsOf(c.var.database, tenantId, ids), next }
}
