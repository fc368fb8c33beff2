import { ENTERPRISE_USER_SCHEMA } from '../../../src/scim/urn.ts'
import { addMembers, bulkBody, groupBody, patchBody, removeMember, searchBody, userBody } from '../instances.ts'
import type { Ask } from './asking.ts'
import { freshMark } from './places.ts'

/** What stands in a request where an id can stand. */
export interface Ids {
  readonly user: string
  readonly group: string
  /** An ETag, and a cursor of `GET /Users`. */
  readonly etag: string
  readonly cursor: string
  readonly typeName: string
  readonly urn: string
}

/** A request below a base URL. */
export interface ScimAsk {
  readonly label: string
  readonly ask: Ask
  /**
   * `refused`: at least 400. `each refused`: every operation of a bulk request is. `nothing found`: a list of none. `kept`: the
   * id is text of a resource of one's own, as is a manager who is not known (yet), or what is removed was not there.
   */
  readonly expected: 'refused' | 'each refused' | 'nothing found' | 'kept'
}

const MANAGER = `${ENTERPRISE_USER_SCHEMA}:manager`
const managed = (user: string) => ({ [ENTERPRISE_USER_SCHEMA]: { manager: { value: user } } })

/**
 * Requests to a route of the router in which foreign ids stand wherever an id can; `own` are the caller's own.
 *
 * @throws {Error} for a route that the sweep does not know
 */
export function scimAsks(route: string, ids: Ids, own: Pick<Ids, 'user' | 'group'>): ScimAsk[] {
  const { user, group, etag, cursor } = ids
  const [method = '', pattern = ''] = route.split(' ')
  const made =
    (expected: ScimAsk['expected']) => (label: string, url: string, body?: object, headers?: Ask['headers']) => ({
      ...{ label: `${route} ${label}`, expected },
      ask: { method, url, ...(body && { body }), ...(headers && { headers }) },
    })
  const [refused, each, nothing, kept] = [made('refused'), made('each refused'), made('nothing found'), made('kept')]
  const ones = [
    ['user', `/Users/${user}`],
    ['group', `/Groups/${group}`],
    ['a group as a user', `/Users/${group}`],
    ['a user as a group', `/Groups/${user}`],
  ] as const
  const conditions = [
    `id eq "${user}"`,
    `id eq "${group}"`,
    `members.value eq "${user}"`,
    `members[value eq "${user}"]`,
    `groups.value eq "${group}"`,
    `meta.location co "${user}"`,
    `id gt "${user}" and id lt "${user}~"`,
  ]
  const search = (filter: string) => `filter=${encodeURIComponent(filter)}`

  switch (route) {
    case 'GET /ServiceProviderConfig':
    case 'GET /ResourceTypes':
    case 'GET /Schemas':
      return []
    case 'GET /ResourceTypes/:name':
      return [refused('name', `/ResourceTypes/${ids.typeName}`)]
    case 'GET /Schemas/:urn':
      return [refused('urn', `/Schemas/${ids.urn}`)]
    case 'GET /':
    case 'GET /:endpoint': {
      const paths = pattern === '/' ? ['/'] : ['/Users', '/Groups']
      const found = paths.flatMap((path) =>
        conditions.map((one) => nothing(`${path} ${one.split('"')[0]}`, `${path}?${search(one)}`)),
      )
      if (pattern === '/') return [...found, refused('cursor', `/?count=1&cursor=${cursor}`)]
      return [
        ...found,
        refused('cursor', `/Users?count=1&cursor=${cursor}`),
        refused('cursor of another list', `/Groups?count=1&cursor=${cursor}`),
        refused('endpoint', `/${ids.typeName}s`),
      ]
    }
    case 'POST /.search':
    case 'POST /:endpoint/.search': {
      const paths = pattern === '/.search' ? ['/.search'] : ['/Users/.search', '/Groups/.search']
      return paths.flatMap((path) => [
        ...conditions.map((filter) => nothing(`${path} ${filter.split('"')[0]}`, path, searchBody({ filter }))),
        refused(`${path} cursor`, path, searchBody({ count: 1, cursor })),
      ])
    }
    case 'POST /:endpoint':
      return [
        refused('members', '/Groups', groupBody(freshMark(), [user])),
        refused('members, one of them ours', '/Groups', groupBody(freshMark(), [own.user, user])),
        refused('group as a member', '/Groups', groupBody(freshMark(), [group])),
        kept('manager', '/Users', userBody(freshMark(), managed(user))),
        refused('endpoint', `/${ids.typeName}s`, { schemas: [ids.urn], code: 'x' }),
      ]
    case 'GET /:endpoint/:id':
    case 'DELETE /:endpoint/:id':
      return ones.flatMap(([label, url]) => [
        refused(label, url),
        refused(`${label} If-Match`, url, undefined, { 'If-Match': etag }),
        refused(`${label} If-None-Match`, url, undefined, { 'If-None-Match': etag }),
      ])
    case 'PUT /:endpoint/:id':
      return [
        ...ones.flatMap(([label, url]) => {
          const body = url.startsWith('/Groups') ? groupBody(freshMark(), [own.user]) : userBody(freshMark())
          return [refused(label, url, body), refused(`${label} If-Match`, url, body, { 'If-Match': etag })]
        }),
        refused('members', `/Groups/${own.group}`, groupBody(freshMark(), [user])),
      ]
    case 'PATCH /:endpoint/:id': {
      const members = [{ value: user }]
      const inOwn: readonly (readonly [string, object])[] = [
        ['add', addMembers(user)],
        ['add, one of them ours', addMembers(own.user, user)],
        ['add without a path', patchBody({ op: 'add', value: { members } })],
        ['replace', patchBody({ op: 'replace', path: 'members', value: members })],
        ['add a group', addMembers(group)],
      ]
      return [
        ...ones.flatMap(([label, url]) => {
          const body = url.startsWith('/Groups')
            ? addMembers(own.user)
            : patchBody({ op: 'replace', path: 'title', value: 'taken over' })
          return [
            refused(label, url, body),
            refused(`${label} active`, url, patchBody({ op: 'replace', path: 'active', value: false })),
            refused(`${label} If-Match`, url, body, { 'If-Match': etag }),
          ]
        }),
        ...inOwn.map(([label, body]) => refused(`members ${label}`, `/Groups/${own.group}`, body)),
        kept('members remove', `/Groups/${own.group}`, removeMember(user)),
        kept(
          'members remove with a value',
          `/Groups/${own.group}`,
          patchBody({ op: 'remove', path: 'members', value: members }),
        ),
        kept('manager', `/Users/${own.user}`, patchBody({ op: 'add', path: MANAGER, value: { value: user } })),
        kept(
          'manager.value',
          `/Users/${own.user}`,
          patchBody({ op: 'replace', path: `${MANAGER}.value`, value: user }),
        ),
      ]
    }
    case 'POST /Bulk': {
      const one = (operation: object) => bulkBody([operation])
      const data = patchBody({ op: 'replace', path: 'title', value: 'taken over' })
      const paths = ones.flatMap(([label, path]) => {
        const whole = path.startsWith('/Groups') ? groupBody(freshMark()) : userBody(freshMark())
        return [
          each(`DELETE ${label}`, '/Bulk', one({ method: 'DELETE', path })),
          each(`DELETE ${label} version`, '/Bulk', one({ method: 'DELETE', path, version: etag })),
          each(
            `PATCH ${label}`,
            '/Bulk',
            one({ method: 'PATCH', path, data: path.startsWith('/Groups') ? addMembers(own.user) : data }),
          ),
          each(`PUT ${label}`, '/Bulk', one({ method: 'PUT', path, data: whole })),
        ]
      })
      const withMember = (data: object, bulkId = 'b') => one({ method: 'POST', path: '/Groups', bulkId, data })
      return [
        ...paths,
        each('members', '/Bulk', withMember(groupBody(freshMark(), [user]))),
        each('bulkId that is an id', '/Bulk', withMember(groupBody(freshMark(), [`bulkId:${user}`]))),
        each('its own bulkId that is an id', '/Bulk', withMember(groupBody(freshMark(), [user]), user)),
        each('PATCH members', '/Bulk', one({ method: 'PATCH', path: `/Groups/${own.group}`, data: addMembers(user) })),
        kept(
          'manager',
          '/Bulk',
          one({ method: 'POST', path: '/Users', bulkId: 'b', data: userBody(freshMark(), managed(user)) }),
        ),
      ]
    }
    case 'GET /Me':
    case 'DELETE /Me':
      return []
    case 'PUT /Me':
      return [kept('manager', '/Me', userBody(`${own.user} me`, managed(user)))]
    case 'PATCH /Me':
      return [kept('manager', '/Me', patchBody({ op: 'add', path: MANAGER, value: { value: user } }))]
  }
  throw new Error(`the sweep does not know what ids ${route} takes; say it in test/support/sweep/scim.ts`)
}
