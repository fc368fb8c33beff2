import { z } from 'zod'
import { Refusal } from '../../../../administration/refusal.ts'
import { beginErasure } from '../../../../erasure/begin.ts'
import { ERASED } from '../../../../erasure/places.ts'
import { keyNames } from '../../../../repositories/control/finding/actor-names.ts'
import { type ErasureRow, erasuresOf } from '../../../../repositories/erasure/erasures.ts'
import { nameOfStranger, presentErasure, reference } from '../../../admin/directory/erasures.ts'
import type { AdminDependencies } from '../../../control/env.ts'
import { openTenant } from '../../../control/open-tenant.ts'
import type { PlaceNames } from '../../../control/places.ts'
import { needs } from '../../../permissions.ts'
import { seesPeople, TENANT, tenantHere } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { fieldsOf, queryOf } from '../../forms.ts'
import { hereOf } from '../../here.ts'
import { Actor, Badge, Card, cut, Form, Moment, Pager, Table } from '../../parts.tsx'
import { PeopleTabs } from '../people.tsx'
import { ConfirmField, EraseCard, mayErase, ReferenceField } from './erase-form.tsx'

const ROWS = 50
/** How often the page of an erasure that goes on is asked for anew, in seconds. */
const LIVE_S = 3

type Dependencies = Pick<AdminDependencies, 'control' | 'config'>

const form = z.object({
  ...{ user: z.uuid().optional(), named: z.string().optional(), name: nameOfStranger.optional() },
  ...{ reference: reference.optional(), confirm: z.string().optional() },
})

/** `…/erasures` of a tenant: people who are being erased or were, and the forms that erase somebody; and the page of one receipt. */
export function erasurePages(app: ConsoleApp, { control, config }: Dependencies): void {
  app.get(`${TENANT}/erasures`, async (c) => {
    const { tenant } = await tenantHere(c)
    const { path, crumbs } = await hereOf(c)
    const { after, user } = queryOf(c, z.object({ after: z.uuid().optional(), user: z.uuid().optional() }))
    const { database } = c.var
    const { page, last } = cut(await erasuresOf(database, tenant.id).list({ after, limit: ROWS + 1 }), ROWS)
    const actors = await keyNames(
      database,
      page.map(({ actor }) => actor),
    )
    const here = `${path}/erasures`
    return c.render(
      <>
        <h1>Erasures</h1>
        {user !== undefined && mayErase(c) && <EraseCard path={path} id={user} named={user} isThere={false} />}
        <Card title="People who were erased">
          {seesPeople(c) && <PeopleTabs path={path} current="erasures" />}
          {page.length === 0 ? <p class="quiet">Nobody was.</p> : <Erasures rows={page} actors={actors} path={here} />}
          <Pager next={last && `${here}?after=${last.id}`} first={after && here} />
        </Card>
        {mayErase(c) ? (
          <EraseStranger action={here} />
        ) : (
          <p class="quiet">
            To erase somebody is for keys with the permission <code>people:erase</code>.
          </p>
        )}
      </>,
      { title: 'Erasures', crumbs },
    )
  })

  app.post(`${TENANT}/erasures`, async (c) => {
    needs(c.var.principal, 'people:erase')
    const { scope } = await tenantHere(c)
    const { path } = await hereOf(c)
    const { user, named, name, confirm, reference = null } = fieldsOf(c.var.form, form)
    const who = user === undefined ? { names: name === undefined ? [] : [name] } : { user, delete: true }
    if (confirm === undefined || confirm !== (user === undefined ? name : named)) {
      const message = 'must be the name of whom you erase, to the letter'
      throw new Refusal(400, `Nobody was erased: what you have typed ${message}.`, [{ path: 'confirm', message }])
    }
    const place = { scope, ...(await openTenant(c, c.req.param() as PlaceNames, control, config)) }
    const { id } = await beginErasure(c.var.administration, place, who, reference)
    return c.redirect(`${path}/erasures/${id}`, 303)
  })

  app.get(`${TENANT}/erasures/:id`, async (c) => {
    const { tenant } = await tenantHere(c)
    const { path, crumbs } = await hereOf(c)
    const id = c.req.param('id') ?? ''
    const row = z.uuid().safeParse(id).success ? await erasuresOf(c.var.database, tenant.id).find(id) : undefined
    if (row === undefined) throw Refusal.notFound('erasure', id)
    const actors = await keyNames(c.var.database, [row.actor])
    if (row.finishedAt === null) c.header('Refresh', String(LIVE_S))
    return c.render(
      <>
        <div class="head">
          <h1>Erasure {row.reference ?? ''}</h1>
          <State row={row} />
          <p class="quiet">
            <code>{row.id}</code>
          </p>
        </div>
        <Receipt row={row} actors={actors} />
      </>,
      { title: 'Erasure', crumbs: [...crumbs, { name: 'Erasures', path: `${path}/erasures` }] },
    )
  })
}

function Erasures(props: { rows: readonly ErasureRow[]; actors: ReadonlyMap<string, string>; path: string }) {
  const { rows, actors, path } = props
  return (
    <Table head={['Case', 'User', 'State', 'Asked', 'By']} label="Erasures">
      {rows.map((row) => (
        <tr>
          <td>
            <a href={`${path}/${row.id}`}>{row.reference ?? 'without a number'}</a>
          </td>
          <td class="long">{row.userId === null ? 'never a user' : <code>{row.userId}</code>}</td>
          <td>
            <State row={row} />
          </td>
          <td>
            <Moment at={row.askedAt} />
          </td>
          <td>
            <Actor id={row.actor} names={actors} />
          </td>
        </tr>
      ))}
    </Table>
  )
}

function State({ row }: { row: ErasureRow }) {
  const { progress } = presentErasure(row)
  if (progress === null) return <Badge tone="good">erased</Badge>
  return (
    <Badge tone="warn">
      step {progress.step} of {progress.of}
    </Badge>
  )
}

const STEPS: Readonly<Record<string, string>> = {
  writers: 'waits for requests that were under way',
  names: 'learns from the log all names that the person had',
  history: 'takes the person out of the history',
  events: 'looks through the events',
  'late-history': 'looks at the history once more',
  requests: 'looks through the requests',
  audit: 'looks through the audit trail',
  accounts: 'deletes the copy of the account',
  deliveries: 'empties answers of receivers',
  answers: 'looks through answers that are kept for repeats',
  'late-requests': 'waits some minutes for what instances still write, and looks again',
  storage: 'clears the pages of the tables',
}

const STORAGE = {
  rewritten: 'Nothing is left in the files of the embedded database.',
  vacuumed: 'The space of the old rows is free to be used again.',
} as const

function Receipt({ row, actors }: { row: ErasureRow; actors: ReadonlyMap<string, string> }) {
  const { progress, erased } = presentErasure(row)
  return (
    <Card title="Receipt">
      <dl class="facts">
        <dt>User</dt>
        <dd>{row.userId === null ? 'never a user; found by names' : <code>{row.userId}</code>}</dd>
        <dt>Asked</dt>
        <dd>
          <Moment at={row.askedAt} /> by <Actor id={row.actor} names={actors} />
        </dd>
        <dt>Finished</dt>
        <dd>
          <Moment at={row.finishedAt} never="not yet" />
        </dd>
        {progress !== null && (
          <>
            <dt>Now</dt>
            <dd>{STEPS[progress.name]}</dd>
          </>
        )}
        {row.storage !== null && (
          <>
            <dt>Storage</dt>
            <dd>{STORAGE[row.storage]}</dd>
          </>
        )}
      </dl>
      {erased.length > 0 && (
        <Table head={['From', 'Rows', 'How']} label="What was erased">
          {erased.map(({ table, rows }) => (
            <tr>
              <td>
                <code>{table}</code>
              </td>
              <td>{rows.toLocaleString('en')}</td>
              <td class="long">{ERASED[table]?.how ?? ''}</td>
            </tr>
          ))}
        </Table>
      )}
    </Card>
  )
}

function EraseStranger({ action }: { action: string }) {
  return (
    <Card title="Erase somebody who never was a user">
      <details class="more">
        <summary class="bad">By what requests have named …</summary>
        <Form action={action} class="fields">
          <p>
            An identity provider may have sent somebody who was refused, or searched for somebody who is not there. The
            person is taken out of the requests that are kept, for good. A user is erased on the page of the user.
          </p>
          <label>
            userName, e-mail address or externalId
            <input name="name" required minlength={3} maxlength={200} autocomplete="off" spellcheck={false} />
          </label>
          <ReferenceField />
          <ConfirmField />
          <button type="submit" class="bad">
            Erase for good
          </button>
        </Form>
      </details>
    </Card>
  )
}
