import { z } from 'zod'
import { type Rhythm, usuallyUpTo } from '../../../connections/rhythm.ts'
import { CLIENTS, type ClientName, CONSOLES } from '../../../explanations/clients.ts'
import {
  TENANT_ORDERS,
  type TenantOrder,
  type TenantTableRow,
} from '../../../repositories/control/finding/tenant-table.ts'
import type { JsonObject } from '../../../scim/resource.ts'
import { plainText } from '../../control/schemas.ts'
import { Badge, counted, cut, Moment, Pager } from '../parts.tsx'

/** What a table of tenants is asked for. */
export const tenantTableQuery = z.object({
  q: plainText.optional(),
  provider: z.enum([...CLIENTS, 'unknown']).optional(),
  look: z.stringbool().optional(),
  sort: z.enum(TENANT_ORDERS).default('name'),
  backwards: z.stringbool().default(false),
  /** The `place` of the last row before. */
  after: z.tuple([z.string().max(500), z.uuid()]).optional(),
  done: z.string().optional(),
})
export type TenantTableQuery = z.infer<typeof tenantTableQuery>

/** What of the tenants needs a look, by the id of each. */
export interface Looks {
  readonly holding: ReadonlySet<string>
  readonly expiring: ReadonlySet<string>
  readonly webhooks: ReadonlySet<string>
  readonly streams: ReadonlySet<string>
}

/** The name of an identity provider, or of any other client what it calls itself. */
export function providerName(provider: string | null, client: string | null): string {
  if (provider !== null) return CONSOLES[provider as ClientName]?.Name ?? provider
  return client?.split(/[ /]/, 1)[0] ?? ''
}

/** How often something comes, in words. @param rhythm as connections/rhythm has it */
export function usually(rhythm: JsonObject | null): string {
  if (rhythm === null) return 'how often it comes is not known yet'
  const known = rhythm as unknown as Rhythm
  return `a request comes every ${lasting(known.typical)} on average, and usually after ${lasting(usuallyUpTo(known))} at the latest`
}

/** A time in seconds as people say it. */
function lasting(seconds: number): string {
  if (seconds < 2 * 3600) return counted(Math.round(seconds / 60), 'minute')
  if (seconds < 2 * 86_400) return counted(Math.round(seconds / 3600), 'hour')
  return counted(Math.round(seconds / 86_400), 'day')
}

/** The address of a table with something of its query changed; it begins anew. */
function link(path: string, { q, provider, look, sort, backwards, after }: Partial<TenantTableQuery>): string {
  const values = new URLSearchParams()
  if (q !== undefined) values.set('q', q)
  if (provider !== undefined) values.set('provider', provider)
  if (look) values.set('look', 'true')
  if (sort !== undefined && sort !== 'name') values.set('sort', sort)
  if (backwards) values.set('backwards', 'true')
  for (const part of after ?? []) values.append('after', part)
  const text = values.toString()
  return text === '' ? path : `${path}?${text}`
}

/** Tenants of an environment, one more than `limit` where there are more. @param path of the environment */
export function TenantTable(props: {
  rows: readonly TenantTableRow[]
  limit: number
  query: TenantTableQuery
  looks: Looks
  path: string
}) {
  const { rows, limit, query, looks, path } = props
  const { page, last } = cut(rows, limit)
  const filtered = query.q !== undefined || query.provider !== undefined || query.look === true
  const { after: _, ...first } = query
  return (
    <>
      <Filter query={query} path={path} />
      {page.length === 0 ? (
        <p class="quiet">{filtered ? 'No tenant matches.' : 'There are no tenants here.'}</p>
      ) : (
        <figure class="scroll" tabindex={0} aria-label="Tenants">
          <table>
            <thead>
              <tr>
                <Head order="name" label="Customer" query={query} path={path} />
                <th scope="col">Identity provider</th>
                <Head order="lastRequest" label="Last request" query={query} path={path} />
                <Head order="failures" label="Failures today" query={query} path={path} />
                <Head order="users" label="Users" query={query} path={path} />
                <th scope="col">Needs a look</th>
              </tr>
            </thead>
            <tbody>
              {page.map((tenant) => (
                <Row tenant={tenant} looks={looks} path={path} />
              ))}
            </tbody>
          </table>
        </figure>
      )}
      <Pager next={last && link(path, { ...query, after: [...last.place] })} first={query.after && link(path, first)} />
    </>
  )
}

/** A heading that sorts; the one by which the table is sorted turns it round. */
function Head(props: { order: TenantOrder; label: string; query: TenantTableQuery; path: string }) {
  const { order, label, query, path } = props
  const isCurrent = query.sort === order
  const backwards = isCurrent && !query.backwards
  const { after: _, ...first } = query
  const ascends = (order === 'name') !== query.backwards
  return (
    <th scope="col" aria-sort={isCurrent ? (ascends ? 'ascending' : 'descending') : undefined}>
      <a href={link(path, { ...first, sort: order, backwards })}>
        {label}
        {isCurrent && <span aria-hidden="true">{ascends ? ' ↑' : ' ↓'}</span>}
      </a>
    </th>
  )
}

function Row({ tenant, looks, path }: { tenant: TenantTableRow; looks: Looks; path: string }) {
  const { id, key, name, provider, client, lastRequestAt, requestsToday, failuresToday, users, activeUsers } = tenant
  const { paused, seatsRanOut, state, since } = tenant
  return (
    <tr>
      <td class="long">
        <a href={`${path}/tenants/${key}`}>{name}</a>
        {name !== key && (
          <>
            <br />
            <code>{key}</code>
          </>
        )}
      </td>
      <td title={client ?? undefined}>{providerName(provider, client)}</td>
      <td>
        <Moment at={lastRequestAt} />
      </td>
      <td class="num">
        {failuresToday === 0 ? (
          <span class="quiet">0</span>
        ) : (
          <>
            <strong>{failuresToday.toLocaleString('en')}</strong>{' '}
            <span class="quiet small">of {requestsToday.toLocaleString('en')}</span>
          </>
        )}
      </td>
      <td class="num">
        {users.toLocaleString('en')}
        {activeUsers !== users && <span class="quiet small"> {activeUsers.toLocaleString('en')} active</span>}
      </td>
      <td>
        <span class="badges">
          {state === 'failing' && <Badge tone="bad">failing</Badge>}
          {state === 'silent' && <Badge tone="bad">silent</Badge>}
          {looks.holding.has(id) && <Badge tone="bad">brake holds</Badge>}
          {looks.webhooks.has(id) && <Badge tone="bad">webhook</Badge>}
          {looks.streams.has(id) && <Badge tone="bad">stream</Badge>}
          {seatsRanOut && <Badge tone="warn">no seat left</Badge>}
          {looks.expiring.has(id) && <Badge tone="warn">key expires</Badge>}
          {paused && <Badge tone="warn">paused</Badge>}
        </span>
        {state !== 'well' && since !== null && (
          <span class="quiet small">
            {' '}
            since <Moment at={since} />
          </span>
        )}
      </td>
    </tr>
  )
}

function Filter({ query, path }: { query: TenantTableQuery; path: string }) {
  const { q, provider, look, sort, backwards } = query
  return (
    <search>
      <form class="find" action={path}>
        <label>
          Name or key
          <input type="search" name="q" value={q} maxlength={200} spellcheck={false} />
        </label>
        <label>
          Identity provider
          <select name="provider">
            <option value="">any</option>
            {CLIENTS.map((name) => (
              <option value={name} selected={name === provider}>
                {CONSOLES[name].Name}
              </option>
            ))}
            <option value="unknown" selected={provider === 'unknown'}>
              another client
            </option>
          </select>
        </label>
        <label>
          Show
          <select name="look">
            <option value="">all</option>
            <option value="true" selected={look === true}>
              what needs a look
            </option>
          </select>
        </label>
        {sort !== 'name' && <input type="hidden" name="sort" value={sort} />}
        {backwards && <input type="hidden" name="backwards" value="true" />}
        <button type="submit">Show</button>
      </form>
    </search>
  )
}
