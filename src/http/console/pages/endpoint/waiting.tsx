import type { TenantId } from '../../../../place-ids.ts'
import { labelsOf } from '../../../../repositories/control/summaries.ts'
import type { WaitingDelivery } from '../../../../repositories/delivery/webhook-backlog.ts'
import type { ConsoleContext } from '../../env.ts'
import { Action, Card, cut, Moment, Pager, Table } from '../../parts.tsx'

/** What an event is about: its name, and its page where it is still there. */
interface Subject {
  readonly name: string
  readonly href?: string
}

/** Not by resource: events of one may name different things, such as a tenant and its keys. */
const keyOf = ({ tenant, position }: Pick<WaitingDelivery, 'tenant' | 'position'>) => `${tenant} ${position}`

/** The people and groups that events are about, for keys that may see them. @param path of the endpoint's place */
export async function namesIn(
  c: ConsoleContext,
  rows: readonly WaitingDelivery[],
  path: string,
): Promise<ReadonlyMap<string, Subject>> {
  const found = new Map<string, Subject>()
  for (const tenant of new Set(rows.map((row) => row.tenant))) {
    const own = rows.filter((row) => row.tenant === tenant)
    const ids = own.map(({ resourceId }) => resourceId)
    // A row of the queue has the id of a tenant that there is.
    const labels = await labelsOf(c.var.database, tenant as TenantId, ids)
    const at = path.includes('/tenants/') ? path : `${path}/tenants/${tenant}`
    for (const row of own) {
      const collection = { user: 'users', group: 'groups' }[row.type.split('.')[0] ?? '']
      const label = labels.get(row.resourceId)
      const name = label ?? nameIn(row.changes) ?? row.resourceId
      const isThere = label !== undefined && collection !== undefined
      found.set(keyOf(row), { name, ...(isThere && { href: `${at}/${collection}/${row.resourceId}` }) })
    }
  }
  return found
}

/** What a resource is called that is there no longer, by what its event says. */
function nameIn(changes: string): string | undefined {
  const { before, after, role, key } = JSON.parse(changes) as {
    readonly before?: Readonly<Record<string, unknown>>
    readonly after?: Readonly<Record<string, unknown>>
    readonly role?: string
    readonly key?: { readonly name: string }
  }
  const all = after ?? before ?? {}
  const name = all.displayName ?? all.userName ?? role ?? key?.name
  return typeof name === 'string' ? name : undefined
}

/** Events that an endpoint has not accepted: those that wait, or those that were given up. @param path of the endpoint's page */
export function Waiting(props: {
  rows: readonly WaitingDelivery[]
  names: ReadonlyMap<string, Subject>
  state: 'dead' | 'pending'
  dead: number
  may: boolean
  limit: number
  path: string
  first: boolean
}) {
  const { rows, names, state, dead, may, limit, path, first } = props
  const { page, last } = cut(rows, limit)
  const tabs = [
    ['dead', dead === 0 ? 'Dead letters' : `Dead letters (${dead})`],
    ['pending', 'Waiting'],
  ] as const
  return (
    <Card title="Not accepted">
      <nav class="tabs" aria-label="Which">
        {tabs.map(([name, label]) => (
          <a href={`${path}?state=${name}`} aria-current={name === state ? 'page' : undefined}>
            {label}
          </a>
        ))}
      </nav>
      {page.length === 0 ? (
        <p class="quiet">{state === 'dead' ? 'Nothing was given up.' : 'Nothing waits.'}</p>
      ) : (
        <Table head={['Event', 'About', 'Attempts', 'Last answer', 'Next']} label="Deliveries">
          {page.map((row) => (
            <tr>
              <td>
                {row.type}
                <br />
                <span class="quiet small num">position {row.position}</span>
              </td>
              <td class="long">
                <About subject={names.get(keyOf(row))} id={row.resourceId} />
              </td>
              <td class="num">{row.attempts}</td>
              <td>
                <Answer row={row} />
              </td>
              <td>
                {state === 'pending' ? <Due at={row.dueAt} /> : 'given up'}
                {state === 'dead' && may && (
                  <Action
                    action={`${path}/replay`}
                    label="Send again"
                    fields={{ which: 'one', tenant: row.tenant, position: String(row.position) }}
                  />
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Pager
        next={last && `${path}?state=${state}&after=${last.tenant}.${last.position}`}
        first={first ? `${path}?state=${state}` : undefined}
      />
    </Card>
  )
}

/** What the receiver said to the last attempt. */
function Answer({ row: { lastStatus, lastError } }: { row: WaitingDelivery }) {
  const told = [lastStatus, lastError].filter((part) => part !== null)
  return told.length === 0 ? <span class="quiet">not tried yet</span> : <span>{told.join(' ')}</span>
}

function About({ subject, id }: { subject: Subject | undefined; id: string }) {
  if (subject === undefined) return <code>{id}</code>
  return subject.href === undefined ? <span>{subject.name}</span> : <a href={subject.href}>{subject.name}</a>
}

/** When it is sent next. What is overdue waits until the endpoint takes anything again. */
const Due = ({ at }: { at: number | null }) =>
  at !== null && at <= Date.now() ? <>due</> : <Moment at={at} never="behind another event" />
