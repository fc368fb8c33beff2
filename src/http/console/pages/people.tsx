import { z } from 'zod'
import { builtIn, type Equalities, lookUp } from '../../../provisioning/look-up.ts'
import type { Resource } from '../../../scim/resource.ts'
import { shown } from '../../admin/directory/directory.ts'
import type { AdminDependencies } from '../../control/env.ts'
import { plainText } from '../../control/schemas.ts'
import { directoryHere, TENANT } from '../directory.ts'
import type { ConsoleApp } from '../env.ts'
import { queryOf } from '../forms.ts'
import { hereOf } from '../here.ts'
import { Badge, Card, cut, Moment, Pager, Table } from '../parts.tsx'

const ROWS = 50

/** By what people and groups are found. */
const WAYS = {
  users: { userName: 'user name begins with', email: 'e-mail address is', externalId: 'externalId is' },
  groups: { displayName: 'name begins with', externalId: 'externalId is' },
} as const
type Collection = keyof typeof WAYS
const TYPES = { users: 'User', groups: 'Group' } as const
/** What is looked for by how it begins; all else by all of it, which an index answers. */
const BY_PREFIX: ReadonlySet<string> = new Set(['userName', 'displayName'])

const query = z.object({
  by: z.enum(['userName', 'email', 'externalId', 'displayName']).optional(),
  q: plainText.optional(),
  after: z.uuid().optional(),
})

/** Where the lists are below a tenant. */
const PAGES = { users: 'people', groups: 'groups' } as const

/** `…/people` and `…/groups` of a tenant: lists, and a form to find a person or a group. */
export function peoplePages(app: ConsoleApp, dependencies: Pick<AdminDependencies, 'control' | 'config'>): void {
  // Its address before the tenant's page had parts.
  app.get(`${TENANT}/users`, (c) => c.redirect(`${c.req.path.replace(/users$/, 'people')}${new URL(c.req.url).search}`, 301))

  for (const collection of ['users', 'groups'] as const)
    app.get(`${TENANT}/${PAGES[collection]}`, async (c) => {
      const { tenant, repositories } = await directoryHere(c, dependencies)
      const { path, crumbs } = await hereOf(c)
      const { by, q, after } = queryOf(c, query)
      const type = builtIn(tenant.registry, TYPES[collection])
      const rows = await lookUp(repositories, tenant.registry, type, {
        ...wishFor(by ?? Object.keys(WAYS[collection])[0], q),
        ...{ after, limit: ROWS + 1, wanted: { groups: false, members: false } },
      })
      const { page, last } = cut(rows, ROWS)
      const resources = page.map((row) => shown(row, type, tenant.baseUrl))
      const here = `${path}/${PAGES[collection]}`
      const search = q === undefined ? '' : `${new URLSearchParams({ by: by ?? '', q })}`
      return c.render(
        <>
          <h1>{collection === 'users' ? 'Users' : 'Groups'}</h1>
          <Card title={collection === 'users' ? 'People' : 'Groups of people'}>
            <nav class="tabs" aria-label="What to show">
              {(['users', 'groups'] as const).map((name) => (
                <a href={`${path}/${PAGES[name]}`} aria-current={name === collection ? 'page' : undefined}>
                  {name === 'users' ? 'Users' : 'Groups'}
                </a>
              ))}
            </nav>
            <Find path={path} collection={collection} by={by} q={q} />
            {resources.length === 0 ? (
              <p class="quiet">{q === undefined ? 'There are none yet.' : 'No match.'}</p>
            ) : collection === 'users' ? (
              <Users resources={resources} path={path} />
            ) : (
              <Groups resources={resources} path={path} />
            )}
            <Pager
              next={last && `${here}?${[search, `after=${last.id}`].filter(Boolean).join('&')}`}
              first={after && `${here}?${search}`}
            />
          </Card>
        </>,
        { title: collection === 'users' ? 'Users' : 'Groups', crumbs },
      )
    })
}

function wishFor(by: string | undefined, q: string | undefined): { equal: Equalities; startsWith?: Equalities } {
  if (q === undefined || by === undefined) return { equal: {} }
  return BY_PREFIX.has(by) ? { equal: {}, startsWith: { [by]: q } } : { equal: { [by]: q } }
}

/** The form that finds users. @param path of the tenant */
export const FindUsers = ({ path }: { path: string }) => <Find path={path} collection="users" />

function Find(props: { path: string; collection: Collection; by?: string | undefined; q?: string | undefined }) {
  const { path, collection, by, q } = props
  return (
    <search>
      <form class="find" action={`${path}/${PAGES[collection]}`}>
        <label>
          Whose
          <select name="by">
            {Object.entries(WAYS[collection]).map(([name, words]) => (
              <option value={name} selected={name === by}>
                {words}
              </option>
            ))}
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

function Users({ resources, path }: { resources: readonly Resource[]; path: string }) {
  return (
    <Table head={['User name', 'Name', 'externalId', 'State', 'Changed']} label="Users">
      {resources.map((user) => (
        <tr>
          <td class="long">
            <a href={`${path}/users/${user.id}`}>{text(user.userName)}</a>
          </td>
          <td>{text(user.displayName)}</td>
          <td>{text(user.externalId)}</td>
          <td>{user.active === false ? <Badge tone="bad">deactivated</Badge> : <Badge tone="good">active</Badge>}</td>
          <td>
            <Changed resource={user} />
          </td>
        </tr>
      ))}
    </Table>
  )
}

function Groups({ resources, path }: { resources: readonly Resource[]; path: string }) {
  return (
    <Table head={['Name', 'externalId', 'Changed']} label="Groups">
      {resources.map((group) => (
        <tr>
          <td class="long">
            <a href={`${path}/groups/${group.id}`}>{text(group.displayName)}</a>
          </td>
          <td>{text(group.externalId)}</td>
          <td>
            <Changed resource={group} />
          </td>
        </tr>
      ))}
    </Table>
  )
}

const Changed = ({ resource }: { resource: Resource }) => <Moment at={text((resource.meta as Resource).lastModified)} />

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
