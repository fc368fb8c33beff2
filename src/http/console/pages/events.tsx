import { z } from 'zod'
import { readLatest } from '../../../delivery/read-log.ts'
import type { LoggedEvent } from '../../../events/event.ts'
import { EVENT_TYPES } from '../../../events/types.ts'
import type { TenantId } from '../../../place-ids.ts'
import { builtIn, lookUp } from '../../../provisioning/look-up.ts'
import { keyNames } from '../../../repositories/control/finding/actor-names.ts'
import { labelsOf } from '../../../repositories/control/summaries.ts'
import { deletedPeople } from '../../../repositories/log/deleted-people.ts'
import type { BackwardPage } from '../../../repositories/log/latest-events.ts'
import { fold } from '../../../scim/comparable.ts'
import type { AdminDependencies } from '../../control/env.ts'
import type { OpenTenant } from '../../control/open-tenant.ts'
import { plainText } from '../../control/schemas.ts'
import { directoryHere, TENANT } from '../directory.ts'
import type { ConsoleApp, ConsoleContext } from '../env.ts'
import { queryOf } from '../forms.ts'
import { hereOf } from '../here.ts'
import { Card, Pager } from '../parts.tsx'
import { idsIn, type Names, Timeline } from './timeline.tsx'

const ROWS = 50

/** The `before` of a page of events. */
export const beforeQuery = z.object({ before: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional() })

/** A moment as a form has it, in UTC. */
const minute = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?$/, 'must be a moment such as 2026-11-29T10:30')
  .refine(
    (text) => !Number.isNaN(Date.parse(`${text.length > 10 ? text : `${text}T00:00`}Z`)),
    'must be a moment that there is',
  )
const eventsQuery = beforeQuery.extend({
  type: z
    .string()
    .regex(/^[A-Za-z][\w$-]{0,127}(\.[a-z_]{1,64})?$/, 'must be a type of event')
    .optional(),
  person: plainText.pipe(z.string().trim().max(1000)).optional(),
  since: minute.optional(),
  until: minute.optional(),
})
type EventsQuery = z.infer<typeof eventsQuery>

const momentOf = (text: string | undefined): Date | undefined =>
  text === undefined ? undefined : new Date(`${text.length > 10 ? text : `${text}T00:00`}Z`)

/** `…/events` of a tenant: its log, the newest first; by type, person and time. */
export function eventPages(app: ConsoleApp, dependencies: Pick<AdminDependencies, 'control' | 'config'>): void {
  app.get(`${TENANT}/events`, async (c) => {
    const opened = await directoryHere(c, dependencies)
    const { tenant } = opened
    const { path, crumbs } = await hereOf(c)
    const query = queryOf(c, eventsQuery)
    const { before, type, person, since, until } = query
    const resourceId = person === undefined ? undefined : await personOf(c, opened, person)
    const isNobody = person !== undefined && resourceId === undefined
    const { next, ...shown } = isNobody
      ? { events: [], names: NOBODY, next: undefined }
      : await eventsWithNames(c, tenant.id, {
          ...{ before, type, resourceId, limit: ROWS },
          ...{ since: momentOf(since), until: momentOf(until) },
        })
    const here = `${path}/events`
    return c.render(
      <>
        <h1>Events</h1>
        <Card title="What happened">
          <Filter query={query} path={here} />
          {isNobody ? (
            <p class="quiet">Nobody here has this id, userName or e-mail address.</p>
          ) : shown.events.length === 0 ? (
            <p class="quiet">{next === undefined ? 'Nothing is kept here.' : 'Nothing among the events looked at.'}</p>
          ) : (
            <Timeline {...shown} path={path} {...(resourceId === undefined ? {} : { of: resourceId })} />
          )}
          <Pager next={next && link(here, query, next)} first={before && link(here, query)} older="Older" />
        </Card>
      </>,
      { title: 'Events', crumbs },
    )
  })
}

const NOBODY: Names = { labels: new Map(), actors: new Map() }

function link(here: string, { before: _, ...query }: EventsQuery, before?: number): string {
  const values = new URLSearchParams()
  for (const [name, value] of Object.entries({ ...query, before }))
    if (value !== undefined) values.set(name, String(value))
  const text = values.toString()
  return text === '' ? here : `${here}?${text}`
}

/** The id of a person or a group by id, or of a person by userName or e-mail address, also of one who was deleted. */
async function personOf(
  c: ConsoleContext,
  { tenant, repositories }: OpenTenant,
  text: string,
): Promise<string | undefined> {
  if (z.uuid().safeParse(text).success) return text
  const type = builtIn(tenant.registry, 'User')
  const wanted = { groups: false, members: false }
  for (const equal of [{ userName: text }, { email: text }]) {
    const [found] = await lookUp(repositories, tenant.registry, type, { equal, limit: 1, wanted })
    if (found !== undefined) return found.id
  }
  const deleted = await deletedPeople(c.var.database, tenant.id, text, 20, c.req.raw)
  return (deleted.find(({ userName }) => fold(userName) === fold(text)) ?? deleted[0])?.id
}

/** Events of a tenant backwards, and what the ids in them are called. */
export async function eventsWithNames(
  c: ConsoleContext,
  tenantId: TenantId,
  page: BackwardPage,
): Promise<{ events: readonly LoggedEvent[]; names: Names; next: number | undefined }> {
  const { events, next } = await readLatest(c.var.database, tenantId, page)
  const people = page.resourceId === undefined ? [] : [page.resourceId]
  const [labels, actors] = await Promise.all([
    labelsOf(c.var.database, tenantId, [...people, ...idsIn(events).filter(isId)]),
    keyNames(
      c.var.database,
      events.map(({ actor }) => actor),
    ),
  ])
  return { events, names: { labels, actors }, next }
}

/** An identity provider may call a member anything. */
const isId = (id: string): boolean => z.uuid().safeParse(id).success

const NOUNS = [...new Set(EVENT_TYPES.map((type) => type.slice(0, type.indexOf('.'))))]

function Filter({ query: { type, person, since, until }, path }: { query: EventsQuery; path: string }) {
  return (
    <search>
      <form class="find" action={path}>
        <label>
          Type
          <select name="type">
            <option value="">all</option>
            {NOUNS.map((noun) => (
              <>
                <option value={noun} selected={noun === type}>
                  {noun}.*
                </option>
                {EVENT_TYPES.filter((name) => name.startsWith(`${noun}.`)).map((name) => (
                  <option value={name} selected={name === type}>
                    {name}
                  </option>
                ))}
              </>
            ))}
          </select>
        </label>
        <label>
          Person
          <input
            type="search"
            name="person"
            value={person}
            maxlength={1000}
            placeholder="userName, e-mail or id"
            spellcheck={false}
          />
        </label>
        <label>
          From (UTC)
          <input type="datetime-local" name="since" value={since} />
        </label>
        <label>
          To (UTC)
          <input type="datetime-local" name="until" value={until} />
        </label>
        <button type="submit">Show</button>
      </form>
    </search>
  )
}
