import { z } from 'zod'
import { Refusal } from '../../../administration/refusal.ts'
import type { TenantId } from '../../../place-ids.ts'
import { builtIn } from '../../../provisioning/look-up.ts'
import { keyNames } from '../../../repositories/control/finding/actor-names.ts'
import { labelsOf } from '../../../repositories/control/summaries.ts'
import { type HeldEvent, heldEventsOf } from '../../../repositories/log/held-events.ts'
import { isObject, type JsonValue, type Resource } from '../../../scim/resource.ts'
import { shown } from '../../admin/directory/shown.ts'
import type { AdminDependencies } from '../../control/env.ts'
import { directoryHere, TENANT } from '../directory.ts'
import type { ConsoleApp, ConsoleContext } from '../env.ts'
import { queryOf } from '../forms.ts'
import { type Here, hereOf } from '../here.ts'
import { Badge, Card, cut, Moment, Pager } from '../parts.tsx'
import { EraseCard, mayErase } from './erasure/erase-form.tsx'
import { beforeQuery, eventsWithNames } from './events.tsx'
import { Timeline, type TimelineEvent } from './timeline.tsx'

type Dependencies = Pick<AdminDependencies, 'control' | 'config'>
const EVENTS = 20
const MEMBERS = 100

/** The pages of a user and of a group: what is known of them, who belongs together, and what happened. */
export function resourcePages(app: ConsoleApp, dependencies: Dependencies): void {
  app.get(`${TENANT}/users/:id`, async (c) => {
    const { tenant, resource, here, repositories } = await found(c, dependencies, 'User')
    // The log first: to read it gives positions, by which the brake decides what it holds.
    const told = await happened(c, tenant.id, resource)
    const held = await heldEventsOf(c.var.database, tenant.id).ofResource(String(resource.id))
    // Nothing is said of roles where no group gives any.
    const roles =
      tenant.settings.roleRules.length > 0 ? await repositories.roles.ofUser(String(resource.id)) : undefined
    const { groups = [], ...attributes } = resource
    const past = `${here.path}/history/users/${resource.id}`
    return c.render(
      <>
        <Head name={resource.displayName ?? resource.userName} id={resource.id}>
          {resource.active === false ? <Badge tone="bad">deactivated</Badge> : <Badge tone="good">active</Badge>}
          {held.length > 0 && <Badge tone="bad">held by the leaver brake</Badge>}
        </Head>
        {held.length > 0 && (
          <p class="warning bad">
            The leaver brake holds what happened to this person <Moment at={held[0]?.occurredAt ?? null} />: the
            application was not told, and may still let the person in.{' '}
            <a href={`${here.path}/brake/held`}>See all that it holds</a>, and release it{' '}
            <a href={here.path}>on the page of the tenant</a>.
          </p>
        )}
        <div class="two">
          <Attributes resource={attributes} />
          <div class="rows">
            <Card title="Groups" aside={tenant.settings.history && <a href={past}>At any time</a>}>
              <Belonging
                none="In none."
                links={(groups as readonly Resource[]).map((group) => ({
                  href: `${here.path}/groups/${group.value}`,
                  name: String(group.display ?? group.value),
                  note: group.type === 'indirect' ? 'through another' : undefined,
                }))}
              />
            </Card>
            {roles && (
              <Card title="Roles">{roles.length === 0 ? <p class="quiet">None.</p> : <Roles roles={roles} />}</Card>
            )}
          </div>
        </div>
        <Happened
          {...(await withHeld(c, told, held))}
          id={String(resource.id)}
          tenant={here.path}
          page={`${here.path}/users/${resource.id}`}
        />
        {mayErase(c) && (
          <EraseCard path={here.path} id={String(resource.id)} named={String(resource.userName)} isThere={true} />
        )}
      </>,
      { title: String(resource.userName), crumbs: [...here.crumbs, { name: 'People', path: `${here.path}/people` }] },
    )
  })

  app.get(`${TENANT}/groups/:id`, async (c) => {
    const { tenant, resource, here, repositories } = await found(c, dependencies, 'Group')
    const groupId = String(resource.id)
    const { after: memberId } = queryOf(c, z.object({ after: z.uuid().optional() }))
    const after = memberId === undefined ? undefined : { groupId, memberId }
    const members = await repositories.membershipPages.list({ groupId, memberId: undefined, after, limit: MEMBERS + 1 })
    const { page, last } = cut(members, MEMBERS)
    const names = await labelsOf(
      c.var.database,
      tenant.id,
      page.map((member) => member.memberId),
    )
    const path = `${here.path}/groups/${groupId}`
    return c.render(
      <>
        <Head name={resource.displayName} id={resource.id} />
        <div class="two">
          <Attributes resource={resource} />
          <Card title="Members">
            <Belonging
              none="Nobody."
              links={page.map((member) => ({
                href: `${here.path}/${member.memberType === 'Group' ? 'groups' : 'users'}/${member.memberId}`,
                name: names.get(member.memberId) ?? member.memberId,
                note: member.memberType === 'Group' ? 'group' : undefined,
              }))}
            />
            <Pager next={last && `${path}?after=${last.memberId}`} first={memberId && path} older="More members" />
          </Card>
        </div>
        <Happened {...(await happened(c, tenant.id, resource))} id={groupId} tenant={here.path} page={path} />
      </>,
      {
        title: String(resource.displayName),
        crumbs: [...here.crumbs, { name: 'Groups', path: `${here.path}/groups` }],
      },
    )
  })
}

async function found(c: ConsoleContext, dependencies: Dependencies, name: 'User' | 'Group') {
  const { tenant, repositories } = await directoryHere(c, dependencies)
  const type = builtIn(tenant.registry, name)
  const id = c.req.param('id') ?? ''
  const row = await repositories.resources.retrieve(type, id, { groups: true, members: false })
  if (row === undefined) throw Refusal.notFound(name.toLowerCase(), id)
  const here: Here = await hereOf(c)
  return { tenant, repositories, resource: shown(row, type, tenant.baseUrl), here }
}

const happened = (c: ConsoleContext, tenantId: TenantId, { id }: Resource) =>
  eventsWithNames(c, tenantId, {
    before: queryOf(c, beforeQuery.loose()).before,
    resourceId: String(id),
    limit: EVENTS,
  })
type History = Omit<Awaited<ReturnType<typeof happened>>, 'events'> & { readonly events: readonly TimelineEvent[] }

/** The history with what is held, which comes after all that was told. */
async function withHeld(c: ConsoleContext, told: History, held: readonly HeldEvent[]): Promise<History> {
  const isFirst = queryOf(c, beforeQuery.loose()).before === undefined
  if (!isFirst || held.length === 0) return told
  const names = await keyNames(
    c.var.database,
    held.map(({ actor }) => actor),
  )
  const actors = new Map([...told.names.actors, ...names])
  return { ...told, events: [...held.toReversed(), ...told.events], names: { ...told.names, actors } }
}

function Head({ name, id, children }: { name: JsonValue | undefined; id: JsonValue | undefined; children?: unknown }) {
  return (
    <div class="head">
      <h1>{String(name ?? id)}</h1>
      {children}
      <p class="quiet">
        <code>{String(id)}</code>
      </p>
    </div>
  )
}

interface Link {
  readonly href: string
  readonly name: string
  readonly note: string | undefined
}

function Belonging({ links, none }: { links: readonly Link[]; none: string }) {
  if (links.length === 0) return <p class="quiet">{none}</p>
  return (
    <ul class="plain">
      {links.map(({ href, name, note }) => (
        <li>
          <a href={href}>{name}</a> {note && <span class="quiet small">{note}</span>}
        </li>
      ))}
    </ul>
  )
}

function Roles({ roles }: { roles: readonly { readonly key: string }[] }) {
  return (
    <ul class="plain">
      {roles.map(({ key }) => (
        <li>
          <code>{key}</code>
        </li>
      ))}
    </ul>
  )
}

function Happened(props: History & { readonly id: string; readonly tenant: string; readonly page: string }) {
  const { id, events, names, next, tenant, page } = props
  return (
    <Card title="What happened" aside={<a href={`${tenant}/events?person=${id}`}>By type and time</a>}>
      {events.length === 0 && <p class="quiet">Nothing among the events looked at.</p>}
      <Timeline events={events} names={names} path={tenant} of={id} />
      <Pager next={next && `${page}?before=${next}`} older="Look further back" />
    </Card>
  )
}

/** How the names of standard schemas begin. */
const STANDARD = /^urn:ietf:params:scim:schemas:(?:extension:)?/

/** What the page shows elsewhere, or what people do not look for. */
const LEFT_OUT: ReadonlySet<string> = new Set(['id', 'schemas', 'meta', 'active'])

function Attributes({ resource }: { resource: Resource }) {
  return (
    <Card title="Attributes">
      <Facts values={Object.entries(resource).filter(([name]) => !LEFT_OUT.has(name))} />
    </Card>
  )
}

function Facts({ values }: { values: readonly (readonly [string, JsonValue | undefined])[] }) {
  return (
    <dl class="facts">
      {values.map(([name, value]) => (
        <>
          <dt>{name.replace(STANDARD, '')}</dt>
          <dd>
            <Value value={value} />
          </dd>
        </>
      ))}
    </dl>
  )
}

function Value({ value }: { value: JsonValue | undefined }) {
  if (Array.isArray(value))
    return (
      <ul>
        {value.map((one) => (
          <li>
            <Value value={one} />
          </li>
        ))}
      </ul>
    )
  if (isObject(value)) {
    const { value: main, ...rest } = value
    const notes = Object.entries(rest).filter(([name]) => name !== '$ref')
    if (main === undefined) return <Facts values={notes} />
    const said = notes.map(([name, note]) => (name === 'primary' ? (note === true ? 'primary' : '') : String(note)))
    return (
      <>
        {String(main)} <span class="quiet small">{said.filter(Boolean).join(', ')}</span>
      </>
    )
  }
  return <>{String(value ?? '')}</>
}
