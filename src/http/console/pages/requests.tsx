import { z } from 'zod'
import { listRequests, type RequestSummary } from '../../../administration/requests.ts'
import type { OPERATIONS } from '../../../request-log/operation.ts'
import { queryOf as filterIn, requestFilter } from '../../admin/request-shapes.ts'
import { TENANT, tenantHere } from '../directory.ts'
import type { ConsoleApp } from '../env.ts'
import { queryOf } from '../forms.ts'
import { hereOf } from '../here.ts'
import { Badge, Card, counted, Moment, Pager, Table, type Tone } from '../parts.tsx'

const ROWS = 50
/** How often a page that follows the log is asked for anew, in seconds. */
const LIVE_S = 3

const listQuery = requestFilter.extend({ after: z.uuid().optional(), live: z.literal('on').optional() })
type ListQuery = z.output<typeof listQuery>

/** `…/requests` of a tenant: what its clients have sent, and what came of it. */
export function requestPages(app: ConsoleApp): void {
  app.get(`${TENANT}/requests`, async (c) => {
    const { scope } = await tenantHere(c)
    const { path, crumbs } = await hereOf(c)
    const { after, live, ...filter } = queryOf(c, listQuery)
    const page = { ...filterIn(filter), after, limit: ROWS }
    const { requests, nextCursor } = await listRequests(c.var.database, scope, page)
    const here = `${path}/requests`
    const asked = new URL(c.req.url).searchParams
    const to = (changes: Readonly<Record<string, string | undefined>>) => addressWith(here, asked, changes)
    // Without a script: who has asked for it gets the page anew, and can stop that.
    if (live === 'on' && after === undefined) c.header('Refresh', String(LIVE_S))
    return c.render(
      <>
        <div class="head">
          <h1>Requests</h1>
          {live === 'on' && <Badge tone="good">live</Badge>}
          <div class="actions">
            {live === 'on' ? (
              <a class="button" href={to({ live: undefined })}>
                Stop
              </a>
            ) : (
              <a class="button" href={to({ live: 'on', after: undefined })}>
                Follow live
              </a>
            )}
          </div>
        </div>
        <Card title="What clients have sent">
          <Find asked={asked} path={here} filter={filter} />
          {requests.length === 0 ? (
            <p class="quiet">
              {nextCursor === undefined ? 'Nothing is logged here.' : 'Nothing among the latest of these.'}
            </p>
          ) : (
            <Rows requests={requests} path={here} />
          )}
          <Pager
            next={nextCursor && to({ after: nextCursor, live: undefined })}
            first={after && to({ after: undefined })}
            older="Older"
          />
        </Card>
        <p class="quiet small">
          People are masked. The page of a request has what was sent, and shows people to keys that may see them.
        </p>
      </>,
      { title: 'Requests', crumbs },
    )
  })
}

const STATUSES = {
  '2xx': 'done',
  '4xx': 'refused',
  '5xx': 'failed',
  401: '401 bad key',
  403: '403 not allowed',
  404: '404 not found',
  409: '409 conflict',
  429: '429 too many',
} as const

function Find({
  asked,
  path,
  filter,
}: {
  asked: URLSearchParams
  path: string
  filter: Omit<ListQuery, 'after' | 'live'>
}) {
  const value = (name: string) => asked.get(name) ?? undefined
  return (
    <search>
      <form method="get" action={path} class="find">
        <label>
          Person
          <input name="person" value={value('person')} maxlength={256} placeholder="ada@acme.example" />
        </label>
        <Choice name="status" label="Status" all={STATUSES} chosen={value('status')} />
        <Choice name="operation" label="Operation" all={OPERATION_NAMES} chosen={value('operation')} />
        <label>
          Request id
          <input name="requestId" value={value('requestId')} maxlength={128} />
        </label>
        <label>
          API key
          <input name="key" value={value('key')} maxlength={64} placeholder="its id" />
        </label>
        <button type="submit" class="main">
          Find
        </button>
        {Object.values(filter).some((one) => one !== undefined) && <a href={path}>Show all</a>}
      </form>
    </search>
  )
}

function Choice(props: {
  name: string
  label: string
  all: Readonly<Record<string, string>>
  chosen: string | undefined
}) {
  const { name, label, all, chosen } = props
  return (
    <label>
      {label}
      <select name={name}>
        <option value="">any</option>
        {Object.entries(all).map(([value, words]) => (
          <option value={value} selected={value === chosen}>
            {words}
          </option>
        ))}
        {chosen !== undefined && chosen !== '' && !(chosen in all) && (
          <option value={chosen} selected>
            {chosen}
          </option>
        )}
      </select>
    </label>
  )
}

/** Operations in words. */
export const OPERATION_NAMES: Readonly<Record<(typeof OPERATIONS)[number], string>> = {
  create: 'create',
  read: 'read one',
  list: 'search',
  replace: 'replace',
  modify: 'modify',
  delete: 'delete',
  bulk: 'bulk',
  discovery: 'discovery',
  logout: 'logout',
  token: 'sign-in for a token',
  other: 'another address',
  gap: 'not logged',
}

function Rows({ requests, path }: { requests: readonly RequestSummary[]; path: string }) {
  return (
    <Table head={['When', 'Request', 'Status', 'Key', 'Client', 'What was wrong']} label="Requests">
      {requests.map((request) =>
        request.operation === 'gap' ? <GapRow request={request} /> : <Row request={request} path={path} />,
      )}
    </Table>
  )
}

function Row({ request, path }: { request: RequestSummary; path: string }) {
  const { id, at, method, status, ms, key, client, detail, explanation } = request
  return (
    <tr>
      <td>
        <Moment at={at} />
      </td>
      <td class="long">
        <a href={`${path}/${id}`}>
          {method} {request.path}
        </a>
      </td>
      <td>
        <Status status={status} /> <span class="quiet small num">{ms} ms</span>
      </td>
      <td>{key === null ? <span class="quiet">unknown</span> : (key.name ?? <code>{key.id}</code>)}</td>
      <td>{client ?? ''}</td>
      <td class="long">{explanation?.problem ?? detail ?? ''}</td>
    </tr>
  )
}

function GapRow({ request: { at, dropped } }: { request: RequestSummary }) {
  return (
    <tr>
      <td>
        <Moment at={at} />
      </td>
      <td class="long quiet" colspan={5}>
        {counted(dropped ?? 0, 'request')} from here on {dropped === 1 ? 'was' : 'were'} not logged: too much came at
        once.
      </td>
    </tr>
  )
}

/** A status with its tone. */
export function Status({ status }: { status: number }) {
  const tone: Tone = status >= 500 ? 'bad' : status >= 400 ? 'warn' : 'good'
  return <Badge tone={tone}>{status}</Badge>
}

function addressWith(
  path: string,
  asked: URLSearchParams,
  changes: Readonly<Record<string, string | undefined>>,
): string {
  const query = new URLSearchParams([...asked].filter(([name, value]) => value !== '' && name !== 'done'))
  for (const [name, value] of Object.entries(changes))
    if (value === undefined) query.delete(name)
    else query.set(name, value)
  return query.size === 0 ? path : `${path}?${query}`
}
