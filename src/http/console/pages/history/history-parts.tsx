import type { Told } from '../../../../history/asking.ts'
import { quarterOf } from '../../../../history/quarter.ts'
import type { GrantFound, StateFound } from '../../../../repositories/history/as-of.ts'
import type { Span } from '../../../../repositories/history/spans.ts'
import { Actor, Badge, Card, Moment, Table } from '../../parts.tsx'

/** A group or role as a row. */
export const grantRow = ({ object, ...span }: GrantFound): Row => ({
  ...{
    ...span,
    name: object.name ?? object.id ?? `erased ${object.number}`,
    note: object.kind === 'Role' ? 'role' : 'group',
  },
})

/** Of which time the history tells. */
export function Status({ told, settings }: { told: Told; settings: string }) {
  const { state, since, until } = told
  if (state === 'off')
    return (
      <p>
        Nothing is kept beyond the log of events. Switch <a href={settings}>the setting “history”</a> on, and from then
        on it is kept who was there, in which groups and with which roles.
      </p>
    )
  if (since === null) return <p>The starting picture is being taken.</p>
  return (
    <p>
      It tells of all times since <Moment at={since} />
      {until !== null && (
        <>
          {' '}
          until it was switched off <Moment at={until} />
        </>
      )}
      .
    </p>
  )
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

/** The form that asks for a day. @param path of the page */
export function FindDay({ path, on, told }: { path: string; on: string | undefined; told: Told }) {
  return (
    <search>
      <form class="find" action={path}>
        <label>
          Who was there at the end of the day (UTC)
          <input
            type="date"
            name="on"
            value={on ?? dayOf(Date.now())}
            min={told.since === null ? undefined : dayOf(told.since)}
            max={dayOf(told.until ?? Date.now())}
            required
          />
        </label>
        <button type="submit">Show</button>
      </form>
    </search>
  )
}

/** Who was there. @param path of the tenant */
export function People({ of, path }: { of: readonly StateFound[]; path: string }) {
  return (
    <Table head={['Person', 'Account', 'So since']} label="People">
      {of.map(({ id, number, name, active, fromRequest, fromAt }) => (
        <tr>
          <td class="long">
            {id === null ? (
              <span class="quiet">erased, number {number}</span>
            ) : (
              <a href={`${path}/history/users/${id}`}>{name}</a>
            )}
          </td>
          <td>{active === false ? <Badge tone="bad">deactivated</Badge> : <Badge tone="good">active</Badge>}</td>
          <td>{fromRequest === null ? <span class="quiet">before the history</span> : <Moment at={fromAt} />}</td>
        </tr>
      ))}
    </Table>
  )
}

interface Row extends Span {
  readonly name: string
  readonly note: string
}

/** From when until when, and by which requests. @param names of keys, by id */
export function Spans(props: {
  label: string
  /** What names are, and what notes are. */
  heads: readonly [string, string]
  rows: readonly Row[]
  names: ReadonlyMap<string, string>
}) {
  const { label, heads, rows, names } = props
  return (
    <Table head={[...heads, 'From', 'Until']} label={label}>
      {rows.map((row) => (
        <tr>
          <td class="long">{row.name}</td>
          <td>{row.note}</td>
          <td>
            {row.fromRequest === null ? (
              <span class="quiet">before the history</span>
            ) : (
              <Change at={row.fromAt} request={row.fromRequest} actor={row.fromActor} names={names} />
            )}
          </td>
          <td>
            {row.toAt === null ? (
              <span class="quiet">still</span>
            ) : (
              <Change at={row.toAt} request={row.toRequest} actor={row.toActor} names={names} />
            )}
          </td>
        </tr>
      ))}
    </Table>
  )
}

function Change(props: {
  at: number
  request: string | null
  actor: string | null
  names: ReadonlyMap<string, string>
}) {
  const { at, request, actor, names } = props
  return (
    <>
      <Moment at={at} />
      {actor !== null && (
        <>
          , <Actor id={actor} names={names} />
        </>
      )}
      {request !== null && (
        <div class="small quiet">
          <code>{request}</code>
        </div>
      )}
    </>
  )
}

const QUARTERS_SHOWN = 8

/** Exports of quarters that are over. @param path of the page */
export function Quarters({ path, told }: { path: string; told: Told }) {
  const quarters = lastQuarters(told)
  return (
    <Card title="Exports">
      {quarters.length === 0 ? (
        <p class="quiet">There is an export of each quarter that the history tells of as a whole, once it is over.</p>
      ) : (
        <ul class="plain">
          {quarters.map((quarter) => (
            <li>
              <a href={`${path}/export?quarter=${quarter}`}>{quarter} as CSV</a>
            </li>
          ))}
        </ul>
      )}
      <p class="quiet small">
        <code>rollcall history export</code> writes any time, as CSV or JSON, with a manifest that is signed.
      </p>
    </Card>
  )
}

/** The last quarters that are over and of which the history tells as a whole, newest first. */
function lastQuarters({ since, until, gaps }: Told): string[] {
  const now = new Date()
  const count = now.getUTCFullYear() * 4 + Math.floor(now.getUTCMonth() / 3)
  return Array.from({ length: QUARTERS_SHOWN }, (_, i) => count - 1 - i)
    .map((index) => `${Math.floor(index / 4)}-Q${(index % 4) + 1}`)
    .filter((name) => {
      const period = quarterOf(name)
      if (period === undefined || since === null || period.from < since) return false
      if (until !== null && period.until > until) return false
      return gaps.every((gap) => period.until <= gap.from || period.from >= (gap.until ?? Number.POSITIVE_INFINITY))
    })
}
