import { z } from 'zod'
import { Refusal } from '../../../../administration/refusal.ts'
import { gapsIn, tellsOf, toldBy } from '../../../../history/asking.ts'
import { exportedSpans, exportText } from '../../../../history/export.ts'
import { QUARTER_PATTERN, quarterOf } from '../../../../history/quarter.ts'
import { keyNames } from '../../../../repositories/control/finding/actor-names.ts'
import { HISTORY_BEGINS, type HistoryCursor, historyAnswers } from '../../../../repositories/history/as-of.ts'
import { isOurId } from '../../../../repositories/sql/ids.ts'
import type { AdminDependencies } from '../../../control/env.ts'
import { streamed } from '../../../streamed.ts'
import { directoryHere, TENANT } from '../../directory.ts'
import type { ConsoleApp, ConsoleContext } from '../../env.ts'
import { queryOf } from '../../forms.ts'
import { hereOf } from '../../here.ts'
import { Card, Pager } from '../../parts.tsx'
import { PeopleTabs } from '../people.tsx'
import { FindDay, grantRow, People, Quarters, Spans, Status } from './history-parts.tsx'

const ROWS = 50
const DATE = z.iso.date().optional()
const CURSOR = /^(\d{1,10})\.(\d{1,10})\.(\d{1,15})$/
const after = z
  .string()
  .regex(CURSOR)
  .transform((text): HistoryCursor => text.split('.').map(Number) as unknown as HistoryCursor)
  .optional()

type Dependencies = Pick<AdminDependencies, 'control' | 'config'>

/** `…/history` of a tenant: who was there on a day, exports of quarters, and which access one person had. */
export function historyPages(app: ConsoleApp, dependencies: Dependencies): void {
  const opened = async (c: ConsoleContext) => {
    const { tenant } = await directoryHere(c, dependencies)
    const { database } = c.var
    const told = await toldBy(database, tenant.id, tenant.settings.historyRetentionDays)
    return { tenant, told, database, answers: historyAnswers(database, tenant.id, c.req.raw) }
  }

  app.get(`${TENANT}/history`, async (c) => {
    const { path, crumbs } = await hereOf(c)
    const { tenant, told, database, answers } = await opened(c)
    const { on, after: cursor } = queryOf(c, z.object({ on: DATE, after }))
    const at = on === undefined ? undefined : Math.min(Date.parse(`${on}T23:59:59.999Z`), Date.now())
    // A page says why it shows nothing, beside the form for another day.
    const problem =
      at === undefined ? undefined : await refusal(tellsOf(database, tenant.id, told, { from: at, until: at }))
    const page =
      at === undefined || problem !== undefined
        ? undefined
        : await answers.states({ from: at, until: at }, ['User', 'Agent'], cursor ?? HISTORY_BEGINS, ROWS)
    const here = `${path}/history`
    const next = page?.next && `${here}?${new URLSearchParams({ on: on ?? '', after: page.next.join('.') })}`
    return c.render(
      <>
        <h1>History</h1>
        <Card title="Who had which access">
          <PeopleTabs path={path} current="history" />
          <Status told={told} settings={`${path}/settings`} />
          {told.since !== null && <FindDay path={here} on={on} told={told} />}
          {problem !== undefined && <p class="warning">{problem}</p>}
          {page?.items.length === 0 && page.next === undefined && <p class="quiet">Nobody was there.</p>}
          {page !== undefined && page.items.length > 0 && <People of={page.items} path={path} />}
          <Pager next={next} first={cursor && `${here}?on=${on}`} />
        </Card>
        {told.since !== null && <Quarters path={here} told={told} />}
      </>,
      { title: 'History', crumbs: [...crumbs, { name: 'People', path: `${path}/people` }] },
    )
  })

  app.get(`${TENANT}/history/users/:id`, async (c) => {
    const { path, crumbs } = await hereOf(c)
    const { told, answers, tenant, database } = await opened(c)
    const id = c.req.param('id') ?? ''
    const { after: cursor = HISTORY_BEGINS } = queryOf(c, z.object({ after }))
    const until = told.until ?? Date.now()
    await tellsOf(database, tenant.id, told, { from: until, until })
    const found = isOurId(id) ? await answers.numberOf(id) : undefined
    if (found === undefined || found.kind === 'Group' || found.kind === 'Role') throw Refusal.notFound('person', id)
    const period = { from: told.since ?? 0, until }
    const states = await answers.statesOf(found.number, period, HISTORY_BEGINS, ROWS)
    const grants = await answers.grantsOf({ subject: found.number }, period, cursor, ROWS)
    const actors = [...states.items, ...grants.items].flatMap(({ fromActor, toActor }) =>
      [fromActor ?? [], toActor ?? []].flat(),
    )
    const names = await keyNames(database, [...new Set(actors)])
    const name = states.items.at(-1)?.name ?? id
    const here = `${path}/history/users/${id}`
    return c.render(
      <>
        <h1>{name}</h1>
        <Card title="Account">
          <Spans
            label="Account"
            heads={['Name', 'State']}
            rows={states.items.map((state) => ({
              ...state,
              name: state.name ?? '',
              note: state.active === false ? 'deactivated' : 'active',
            }))}
            names={names}
          />
        </Card>
        <Card title="Groups and roles">
          {grants.items.length === 0 ? (
            <p class="quiet">None.</p>
          ) : (
            <Spans label="Groups and roles" heads={['Name', 'Kind']} rows={grants.items.map(grantRow)} names={names} />
          )}
          <Pager
            next={grants.next && `${here}?after=${grants.next.join('.')}`}
            first={cursor === HISTORY_BEGINS ? undefined : here}
          />
        </Card>
      </>,
      { title: `History of ${name}`, crumbs: [...crumbs, { name: 'History', path: `${path}/history` }] },
    )
  })

  app.get(`${TENANT}/history/export`, async (c) => {
    const { tenant, told, database } = await opened(c)
    const { quarter } = queryOf(c, z.object({ quarter: z.string().regex(new RegExp(QUARTER_PATTERN)) }))
    const period = quarterOf(quarter)
    if (period === undefined) throw new Refusal(400, 'The quarter must be such as 2026-Q1.')
    await tellsOf(database, tenant.id, told, period, 'gaps')
    const place = { id: tenant.id, key: tenant.key }
    const text = exportText(
      exportedSpans(database, tenant.id, period, gapsIn(told, period), c.req.raw),
      place,
      period,
      'csv',
    )
    return c.body(streamed(text, undefined), 200, {
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': `attachment; filename="history-${tenant.key}-${quarter}.csv"`,
    })
  })
}

/** The words of a refusal. */
const refusal = (asked: Promise<void>): Promise<string | undefined> =>
  asked.then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof Refusal) return error.message
      throw error
    },
  )
