import { z } from 'zod'
import { endConsoleSession } from '../../../administration/console-sessions.ts'
import { type ConsoleSessionRow, consoleSessionsOf } from '../../../repositories/control/console-sessions.ts'
import type { ConsoleApp, ConsoleContext } from '../env.ts'
import { done, queryOf } from '../forms.ts'
import { OVERVIEW } from '../here.ts'
import { Action, Badge, Card, cut, Moment, Pager, Table } from '../parts.tsx'
import { CONSOLE } from '../paths.ts'

const ROWS = 50
const SESSIONS = `${CONSOLE}/sessions`

/** `/console/sessions`: who is signed in. Who reaches the whole instance sees and ends all sessions, others their own. */
export function sessionPages(app: ConsoleApp): void {
  app.get('/sessions', async (c) => {
    const { after } = queryOf(c, z.object({ after: z.uuid().optional() }))
    const rows = await consoleSessionsOf(c.var.database).list(ownerFor(c), { after, limit: ROWS + 1 }, new Date())
    const { page, last } = cut(rows, ROWS)
    return c.render(
      <>
        <h1>Sessions</h1>
        <Card title="Who is signed in">
          <Sessions sessions={page} own={c.var.session?.id} />
          <Pager next={last && `${SESSIONS}?after=${last.id}`} first={after && SESSIONS} older="Older" />
        </Card>
      </>,
      { title: 'Sessions', crumbs: [OVERVIEW] },
    )
  })

  app.post('/sessions/:session/end', async (c) => {
    const id = z.uuid().safeParse(c.req.param('session')).data ?? NO_SESSION
    await endConsoleSession(c.var.administration, c.var.principal.scope, id, ownerFor(c))
    return done(c, SESSIONS, 'session-ended')
  })
}

const NO_SESSION = '00000000-0000-0000-0000-000000000000'

/** Whose sessions the principal sees; undefined for everybody's. */
const ownerFor = ({ var: { principal } }: ConsoleContext): string | undefined =>
  principal.scope.kind === 'instance' ? undefined : principal.keyId

function Sessions({ sessions, own }: { sessions: readonly ConsoleSessionRow[]; own: string | undefined }) {
  return (
    <Table head={['Who', 'Signed in', 'Last used', 'Ends', 'From', 'Action']} label="Sessions">
      {sessions.map(({ id, keyId, person, createdAt, seenAt, endsAt, address, client }) => (
        <tr>
          <td class="long">
            {person === null ? (
              <>
                key <code>{keyId}</code>
              </>
            ) : (
              <>
                {person.name} {person.email !== null && <span class="quiet">{person.email}</span>}
              </>
            )}{' '}
            {id === own && <Badge>this one</Badge>}
          </td>
          <td>
            <Moment at={createdAt} />
          </td>
          <td>
            <Moment at={seenAt} />
          </td>
          <td>
            <Moment at={endsAt} />
          </td>
          <td class="long">
            {address ?? ''} {client !== null && <span class="quiet small">{client}</span>}
          </td>
          <td>
            <Action action={`${SESSIONS}/${id}/end`} label="End" tone="bad" />
          </td>
        </tr>
      ))}
    </Table>
  )
}
