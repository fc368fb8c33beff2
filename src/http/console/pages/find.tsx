import { z } from 'zod'
import { isOutOfTime } from '../../../db/errors.ts'
import {
  type FoundKey,
  type FoundPerson,
  type FoundRequest,
  type FoundTenant,
  findKeys,
  findPeople,
  findRequests,
  findTenants,
  TENANTS_SEARCHED,
  type Wanted,
} from '../../../repositories/control/finding/find.ts'
import { momentOf } from '../../../request-log/ids.ts'
import { termOf } from '../../../request-log/terms.ts'
import { fold } from '../../../scim/comparable.ts'
import { plainText } from '../../control/schemas.ts'
import { callerOf } from '../../in-time.ts'
import { REQUEST_ID_SHAPE } from '../../middleware.ts'
import { seesPeople } from '../directory.ts'
import type { ConsoleApp, ConsoleContext } from '../env.ts'
import { queryOf } from '../forms.ts'
import { OVERVIEW } from '../here.ts'
import { Badge, Card, Moment, Table } from '../parts.tsx'
import { CONSOLE, pathTo } from '../paths.ts'
import { Status } from './requests.tsx'

const ROWS = 20
/** People and requests are looked for in each tenant; who waits longer had better say which tenant. */
const EACH_TENANT_MS = 3_000

/** `/console/find`: what the search box of every page finds, within what the key of the session reaches. */
export function findPage(app: ConsoleApp): void {
  app.get('/find', async (c) => {
    const { q = '' } = queryOf(c, z.object({ q: plainText.pipe(z.string().trim()).optional() }))
    const found = q === '' ? undefined : await find(c, wantedOf(q))
    return c.render(
      <>
        <h1>{q === '' ? 'Find' : `Find “${q}”`}</h1>
        {found === undefined ? (
          <p class="quiet">
            A tenant by a part of its name, key or id; a person by the whole of userName, e-mail address, externalId or
            id; an API key by its id or a part of its name; a request by its request id.
          </p>
        ) : (
          <Found {...found} />
        )}
      </>,
      { title: 'Find', crumbs: [OVERVIEW] },
    )
  })
}

interface Findings {
  readonly tenants: readonly FoundTenant[]
  readonly keys: readonly FoundKey[]
  /** Undefined for keys that may not see people; `late` where it took too long. */
  readonly people: readonly FoundPerson[] | 'late' | undefined
  readonly requests: readonly FoundRequest[] | 'late'
}

async function find(c: ConsoleContext, wanted: Wanted): Promise<Findings> {
  const { database, principal } = c.var
  const { scope } = principal
  const [tenants, keys, people, requests] = await Promise.all([
    findTenants(database, scope, wanted, ROWS),
    findKeys(database, scope, wanted, ROWS),
    seesPeople(c) ? inEachTenant(c, findPeople, wanted) : undefined,
    wanted.uuid === undefined && wanted.term === undefined ? [] : inEachTenant(c, findRequests, wanted),
  ])
  return { tenants, keys, people, requests }
}

/** What `look` finds in the tenants that the key reaches, in the time that there is for it. */
async function inEachTenant<Found>(
  c: ConsoleContext,
  look: (...asked: Parameters<typeof findPeople>) => Promise<Found[]>,
  wanted: Wanted,
): Promise<readonly Found[] | 'late'> {
  const { database, principal } = c.var
  const reader = c.req.raw
  const caller = callerOf(principal.keyId, EACH_TENANT_MS, { startedAt: undefined, reader, streams: () => false })
  try {
    return await look(database.for(caller), principal.scope, wanted, ROWS, reader)
  } catch (error) {
    if (isOutOfTime(error)) return 'late'
    throw error
  }
}

function wantedOf(text: string): Wanted {
  const folded = fold(text)
  const uuid = z.uuid().safeParse(text)
  return {
    text,
    folded,
    uuid: uuid.success ? uuid.data : undefined,
    email: JSON.stringify({ emails: [{ value: folded }] }),
    term: REQUEST_ID_SHAPE.test(text) ? termOf(text) : undefined,
  }
}

function Found({ tenants, keys, people, requests }: Findings) {
  const isLate = people === 'late' || requests === 'late'
  const none = [tenants, keys, people ?? [], requests].every(({ length }) => length === 0)
  return (
    <>
      {none && (
        <p class="quiet">Nothing that this key may see. A person is found by the whole of a name or an address.</p>
      )}
      {tenants.length > 0 && (
        <Card title="Tenants">
          <Table head={['Tenant', 'Key', 'Where']} label="Tenants">
            {tenants.map((tenant) => (
              <tr>
                <td class="long">
                  <a href={pathTo(tenant.project, tenant.environment, tenant.key)}>{tenant.name}</a>
                </td>
                <td>
                  <code>{tenant.key}</code>
                </td>
                <td>
                  {tenant.project} / {tenant.environment}
                </td>
              </tr>
            ))}
          </Table>
          <More found={tenants} />
        </Card>
      )}
      {isLate && (
        <p class="warning">
          People and requests were looked for in many tenants, and that took too long. Open a tenant and look there.
        </p>
      )}
      {people !== undefined && people !== 'late' && people.length > 0 && (
        <Card title="People and groups">
          <Table head={['Who', 'State', 'Tenant']} label="People and groups">
            {people.map((person) => (
              <tr>
                <td class="long">
                  <a href={personPath(person)}>{person.label ?? person.id}</a>
                </td>
                <td>{stateOf(person)}</td>
                <td class="long">
                  <a href={tenantPath(person)}>{person.tenant}</a>
                </td>
              </tr>
            ))}
          </Table>
          <More found={people} />
        </Card>
      )}
      {people === undefined && (
        <p class="quiet small">
          People are found by keys with the permission <code>directory:read</code>.
        </p>
      )}
      {requests !== 'late' && requests.length > 0 && (
        <Card title="Requests">
          <Table head={['Request', 'When', 'Status', 'Tenant']} label="Requests">
            {requests.map(({ id, status, tenant, ...place }) => (
              <tr>
                <td class="long">
                  <a href={`${tenantPath(place)}/requests/${id}`}>{id}</a>
                </td>
                <td>
                  <Moment at={momentOf(id)} />
                </td>
                <td>
                  <Status status={status} />
                </td>
                <td class="long">
                  <a href={tenantPath(place)}>{tenant}</a>
                </td>
              </tr>
            ))}
          </Table>
          <More found={requests} />
        </Card>
      )}
      {keys.length > 0 && (
        <Card title="API keys">
          <Table head={['Key', 'Id', 'State']} label="API keys">
            {keys.map((key) => (
              <tr>
                <td class="long">
                  <a href={`${keyPlace(key)}/api-keys/${key.id}`}>{key.name}</a>
                </td>
                <td>
                  <code>{key.id}</code>
                </td>
                <td>{key.revoked ? <Badge>revoked</Badge> : ''}</td>
              </tr>
            ))}
          </Table>
          <More found={keys} />
        </Card>
      )}
    </>
  )
}

function More({ found }: { found: readonly unknown[] }) {
  if (found.length < ROWS) return null
  return (
    <p class="quiet small">
      The first {ROWS}, of up to {TENANTS_SEARCHED.toLocaleString('en')} tenants. Narrow your search to see others.
    </p>
  )
}

const tenantPath = (place: Pick<FoundPerson, 'projectId' | 'environmentId' | 'tenantId'>): string =>
  pathTo(place.projectId, place.environmentId, place.tenantId)
const personPath = ({ resourceType, id, ...place }: FoundPerson): string =>
  `${tenantPath(place)}/${resourceType === 'User' ? 'users' : 'groups'}/${id}`

function stateOf({ resourceType, active }: FoundPerson) {
  if (resourceType === 'Group') return <Badge>group</Badge>
  return active === false ? <Badge tone="bad">deactivated</Badge> : <Badge tone="good">active</Badge>
}

const keyPlace = ({ projectId, environmentId, tenantId }: FoundKey): string =>
  projectId === null ? CONSOLE : pathTo(projectId, environmentId ?? undefined, tenantId ?? undefined)
