import { z } from 'zod'
import { type AuditEntry, listAuditEntries } from '../../../repositories/control/audit.ts'
import { keyNames } from '../../../repositories/control/finding/actor-names.ts'
import type { ConsoleApp } from '../env.ts'
import { queryOf } from '../forms.ts'
import { hereOf, PLACES } from '../here.ts'
import { Actor, Card, cut, Moment, Pager, Table } from '../parts.tsx'

const ROWS = 50

/** `…/audit-log` of every place: what was done to it and to all below, the newest first. */
export function auditPages(app: ConsoleApp): void {
  for (const place of PLACES)
    app.get(`${place}/audit-log`, async (c) => {
      const { scope, path, crumbs } = await hereOf(c)
      const number = z.string().regex(/^[0-9]{1,15}$/, 'must be the id of an entry')
      const { after } = queryOf(c, z.object({ after: number.optional() }))
      const entries = await listAuditEntries(c.var.database, scope, { after, limit: ROWS + 1 })
      const { page, last } = cut(entries, ROWS)
      const names = await keyNames(
        c.var.database,
        page.map(({ actor }) => actor),
      )
      const here = `${path}/audit-log`
      return c.render(
        <>
          <h1>Audit log</h1>
          <Card title="What was done">
            {page.length === 0 ? <p class="quiet">Nothing yet.</p> : <Entries entries={page} names={names} />}
            <Pager next={last && `${here}?after=${last.id}`} first={after && here} older="Older" />
          </Card>
        </>,
        { title: 'Audit log', crumbs },
      )
    })
}

function Entries({ entries, names }: { entries: readonly AuditEntry[]; names: ReadonlyMap<string, string> }) {
  return (
    <Table head={['When', 'What', 'Of', 'By', 'From']} label="What was done">
      {entries.map((entry) => (
        <tr>
          <td>
            <Moment at={entry.at} />
          </td>
          <td>
            <strong>{entry.action}</strong>
            <Difference entry={entry} />
          </td>
          <td class="long">{entry.target.name}</td>
          <td class={entry.actorName === null ? undefined : 'long'}>
            {entry.actorName ?? <Actor id={entry.actor} names={names} />}
          </td>
          <td>{entry.address ?? ''}</td>
        </tr>
      ))}
    </Table>
  )
}

function Difference({ entry: { before, after } }: { entry: AuditEntry }) {
  const names = Object.keys({ ...before, ...after })
  if (names.length === 0) return null
  return (
    <details>
      <summary>{names.length === 1 ? names[0] : `${names.length} values`}</summary>
      <ul class="changes">
        {names.map((name) => (
          <li>
            {name}: {before && name in before && <del>{textOf(before[name])}</del>}{' '}
            {after && name in after && <ins>{textOf(after[name])}</ins>}
          </li>
        ))}
      </ul>
    </details>
  )
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
