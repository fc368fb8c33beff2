import { z } from 'zod'
import { builtIn, lookUp } from '../../../provisioning/look-up.ts'
import { keyNames } from '../../../repositories/control/finding/actor-names.ts'
import { deletedPeople, LEAVERS_LOOKED_THROUGH } from '../../../repositories/log/deleted-people.ts'
import { LOOKED_THROUGH, usersByPart } from '../../../repositories/query/part-of-name.ts'
import { fold } from '../../../scim/comparable.ts'
import type { Resource } from '../../../scim/resource.ts'
import { shown } from '../../admin/directory/shown.ts'
import type { AdminDependencies } from '../../control/env.ts'
import type { OpenTenant } from '../../control/open-tenant.ts'
import { plainText } from '../../control/schemas.ts'
import { directoryHere, TENANT } from '../directory.ts'
import type { ConsoleApp, ConsoleContext } from '../env.ts'
import { queryOf } from '../forms.ts'
import { hereOf } from '../here.ts'
import { Card, counted, cut, Pager } from '../parts.tsx'
import { mayErase } from './erasure/erase-form.tsx'
import { Deleted, Groups, Users } from './tenant/people-tables.tsx'

const ROWS = 50
/** Users that an index finds by a whole address or the beginning of a name. */
const AT_ONCE = 20

type Dependencies = Pick<AdminDependencies, 'control' | 'config'>
const wanted = { groups: false, members: false }
const search = plainText.pipe(z.string().trim()).optional()
const query = z.object({ q: search, after: z.uuid().optional() })

/** `…/people`, `…/people/deleted` and `…/groups` of a tenant: lists, and a form to find a person or a group. */
export function peoplePages(app: ConsoleApp, dependencies: Dependencies): void {
  // Its address before the tenant's page had parts.
  app.get(`${TENANT}/users`, (c) =>
    c.redirect(`${c.req.path.replace(/users$/, 'people')}${new URL(c.req.url).search}`, 301),
  )

  app.get(`${TENANT}/people`, async (c) => {
    const opened = await directoryHere(c, dependencies)
    const { path, crumbs } = await hereOf(c)
    const { q, after } = queryOf(c, query)
    const { users, next, lookedOn } =
      q === undefined ? await usersOf(opened, after) : await usersWith(c, opened, q, after)
    const here = `${path}/people`
    return c.render(
      <>
        <h1>People</h1>
        <Card title="Users">
          <PeopleTabs path={path} current="people" />
          <FindUsers path={path} q={q} />
          {users.length === 0 ? (
            <p class="quiet">{q === undefined ? 'There are none yet.' : 'No match.'}</p>
          ) : (
            <Users resources={users} path={path} />
          )}
          {lookedOn && (
            <p class="quiet small">
              Looked through {counted(LOOKED_THROUGH, 'user')} for “{q}” anywhere in a name or an address. Who has it at
              the beginning of userName or displayName, or as the whole of an e-mail address or externalId, was found
              among all. Narrow your search, or look on.
            </p>
          )}
          {q !== undefined && (
            <p class="small">
              <a href={`${path}/people/deleted?${new URLSearchParams({ q })}`}>Look among deleted users</a>
            </p>
          )}
          <Pager
            next={next && `${here}?${new URLSearchParams({ ...(q === undefined ? {} : { q }), after: next })}`}
            first={after && (q === undefined ? here : `${here}?${new URLSearchParams({ q })}`)}
            older={lookedOn ? 'Look on' : 'Next page'}
          />
        </Card>
      </>,
      { title: 'People', crumbs },
    )
  })

  app.get(`${TENANT}/people/deleted`, async (c) => {
    const { tenant } = await directoryHere(c, dependencies)
    const { path, crumbs } = await hereOf(c)
    const { q } = queryOf(c, query)
    const people = await deletedPeople(c.var.database, tenant.id, q ?? '', ROWS, c.req.raw)
    const actors = await keyNames(
      c.var.database,
      people.flatMap(({ actor }) => actor ?? []),
    )
    return c.render(
      <>
        <h1>Deleted users</h1>
        <Card title="Deleted users">
          <PeopleTabs path={path} current="people/deleted" />
          <FindUsers path={path} q={q} page="people/deleted" />
          {people.length === 0 ? (
            <p class="quiet">{q === undefined ? 'None is known.' : 'No match.'}</p>
          ) : (
            <Deleted people={people} actors={actors} path={path} erases={mayErase(c)} />
          )}
          <p class="quiet small">
            Those that the tenant keeps, and those among the last {counted(LEAVERS_LOOKED_THROUGH, 'leaver')} of its log
            {people.length === ROWS ? `: the last ${ROWS}. Narrow your search to see others.` : '.'}
          </p>
        </Card>
      </>,
      { title: 'Deleted users', crumbs: [...crumbs, { name: 'People', path: `${path}/people` }] },
    )
  })

  app.get(`${TENANT}/groups`, async (c) => {
    const { tenant, repositories } = await directoryHere(c, dependencies)
    const { path, crumbs } = await hereOf(c)
    const {
      by = 'displayName',
      q,
      after,
    } = queryOf(c, query.extend({ by: z.enum(['displayName', 'externalId']).optional() }))
    const type = builtIn(tenant.registry, 'Group')
    const how =
      q === undefined ? {} : by === 'displayName' ? { startsWith: { displayName: q } } : { equal: { externalId: q } }
    const rows = await lookUp(repositories, tenant.registry, type, {
      equal: {},
      ...how,
      after,
      limit: ROWS + 1,
      wanted,
    })
    const { page, last } = cut(rows, ROWS)
    const groups = page.map((row) => shown(row, type, tenant.baseUrl))
    const here = `${path}/groups`
    const found = q === undefined ? {} : { by, q }
    const address = (more: Record<string, string>) => `${here}?${new URLSearchParams({ ...found, ...more })}`
    return c.render(
      <>
        <h1>Groups</h1>
        <Card title="Groups of people">
          <PeopleTabs path={path} current="groups" />
          <FindGroups path={here} by={by} q={q} />
          {groups.length === 0 ? (
            <p class="quiet">{q === undefined ? 'There are none yet.' : 'No match.'}</p>
          ) : (
            <Groups resources={groups} path={path} />
          )}
          <Pager next={last && address({ after: last.id })} first={after && address({})} />
        </Card>
      </>,
      { title: 'Groups', crumbs },
    )
  })
}

interface FoundUsers {
  readonly users: readonly Resource[]
  /** Where the next page goes on. */
  readonly next: string | undefined
  /** Not all users were looked through. */
  readonly lookedOn: boolean
}

async function usersOf({ tenant, repositories }: OpenTenant, after: string | undefined): Promise<FoundUsers> {
  const type = builtIn(tenant.registry, 'User')
  const rows = await lookUp(repositories, tenant.registry, type, { equal: {}, after, limit: ROWS + 1, wanted })
  const { page, last } = cut(rows, ROWS)
  return { users: page.map((row) => shown(row, type, tenant.baseUrl)), next: last?.id, lookedOn: false }
}

/** Users by any part of a name or an address: on the first page also whom an index finds, however many users there are. */
async function usersWith(
  c: ConsoleContext,
  { tenant, repositories }: OpenTenant,
  q: string,
  after: string | undefined,
): Promise<FoundUsers> {
  const type = builtIn(tenant.registry, 'User')
  const { registry, baseUrl, id } = tenant
  const ways = [
    { equal: { email: q } },
    { equal: { externalId: q } },
    { equal: {}, startsWith: { userName: q } },
    { equal: {}, startsWith: { displayName: q } },
  ]
  const [byPart, ...byIndex] = await Promise.all([
    usersByPart(c.var.database, id, fold(q), { after, limit: ROWS, reader: c.req.raw }),
    ...(after === undefined ? ways : []).map((way) =>
      lookUp(repositories, registry, type, { ...way, limit: AT_ONCE, wanted }),
    ),
  ])
  const known = new Map(byIndex.flat().map((row) => [row.id, row]))
  const others = byPart.ids.filter((one) => !known.has(one))
  const rows = await repositories.resources.retrieveAll(type, others, wanted, c.req.raw)
  const all = [...known.values(), ...rows.toSorted((a, b) => (a.id < b.id ? -1 : 1))]
  return {
    users: all.map((row) => shown(row as Parameters<typeof shown>[0], type, baseUrl)),
    next: byPart.next,
    lookedOn: byPart.next !== undefined && byPart.ids.length < ROWS,
  }
}

const TABS = [
  ['people', 'Users'],
  ['groups', 'Groups'],
  ['people/deleted', 'Deleted users'],
  ['erasures', 'Erasures'],
  ['sign-in-check', 'Sign-in check'],
  ['history', 'History'],
] as const
type Tab = (typeof TABS)[number][0]

/** The way between the pages of a tenant's people. @param path of the tenant */
export function PeopleTabs({ path, current }: { path: string; current: Tab }) {
  return (
    <nav class="tabs" aria-label="What to show">
      {TABS.map(([page, name]) => (
        <a href={`${path}/${page}`} aria-current={page === current ? 'page' : undefined}>
          {name}
        </a>
      ))}
    </nav>
  )
}

/** The form that finds users. @param path of the tenant */
export function FindUsers(props: { path: string; q?: string | undefined; page?: string }) {
  const { path, q, page = 'people' } = props
  return (
    <search>
      <form class="find" action={`${path}/${page}`}>
        <label>
          Any part of a name or an address
          <input type="search" name="q" value={q} required maxlength={1000} spellcheck={false} />
        </label>
        <button type="submit">Find</button>
      </form>
    </search>
  )
}

function FindGroups({ path, by, q }: { path: string; by: string; q: string | undefined }) {
  return (
    <search>
      <form class="find" action={path}>
        <label>
          Whose
          <select name="by">
            <option value="displayName">name begins with</option>
            <option value="externalId" selected={by === 'externalId'}>
              externalId is
            </option>
          </select>
        </label>
        <label>
          Text
          <input type="search" name="q" value={q} required maxlength={1000} spellcheck={false} />
        </label>
        <button type="submit">Find</button>
      </form>
    </search>
  )
}
