import type { PropsWithChildren } from 'hono/jsx'
import { z } from 'zod'
import { type BrakeStatus, brakeStatus, releaseBrake } from '../../../administration/brake.ts'
import { keyNames } from '../../../repositories/control/finding/actor-names.ts'
import { labelsOf } from '../../../repositories/control/summaries.ts'
import type { HeldItem } from '../../../repositories/log/held-events.ts'
import { heldEventsOf } from '../../../repositories/log/held-events.ts'
import { effectiveSettings, type LeaverBrake } from '../../../tenancy/settings.ts'
import { heldCursor } from '../../admin/brake.ts'
import type { TenantPlace } from '../../control/places.ts'
import { plainText } from '../../control/schemas.ts'
import { needsPeople, TENANT, tenantHere } from '../directory.ts'
import type { ConsoleApp, ConsoleContext } from '../env.ts'
import { done, fieldsOf, queryOf } from '../forms.ts'
import { hereOf } from '../here.ts'
import { Actor, Badge, Card, counted, cut, Form, Moment, Pager, Table } from '../parts.tsx'

const ROWS = 50

/** `…/brake/held` of a tenant: who would leave by the events that the leaver brake holds; and the form that releases them. */
export function brakePages(app: ConsoleApp): void {
  app.get(`${TENANT}/brake/held`, async (c) => {
    needsPeople(c)
    const place = await tenantHere(c)
    const { path, crumbs } = await hereOf(c)
    const { after } = queryOf(c, z.object({ after: heldCursor.optional() }))
    const { database } = c.var
    const { tenant } = place
    const brake = await brakeOf(c, place)
    const { page, last } = cut(await heldEventsOf(database, tenant.id).list(after, ROWS + 1), ROWS)
    const ids = page.flatMap(({ who, group }) => [who.id, ...(group === null ? [] : [group.id])])
    const there = await labelsOf(database, tenant.id, ids.filter(isResourceId))
    const names = await keyNames(
      database,
      page.map(({ actor }) => actor),
    )
    const here = `${path}/brake/held`
    return c.render(
      <>
        <h1>Held by the leaver brake</h1>
        <BrakeCard {...brake} path={path} />
        <Card title="Who would leave">
          {page.length === 0 ? (
            <p class="quiet">Nobody.</p>
          ) : (
            <Held items={page} there={there} names={names} path={path} />
          )}
          <Pager next={last && `${here}?after=${last.id}`} first={after && here} />
        </Card>
      </>,
      { title: 'Leaver brake', crumbs },
    )
  })

  app.post(`${TENANT}/brake/release`, async (c) => {
    const { scope } = await tenantHere(c)
    const { path } = await hereOf(c)
    const { note } = fieldsOf(c.var.form, z.object({ note: plainText.optional() }))
    await releaseBrake(c.var.administration, scope, note)
    return done(c, path, 'let-go')
  })
}

/** How the leaver brake of a tenant stands, for its card. */
export async function brakeOf(c: ConsoleContext, { tenant, environment }: TenantPlace) {
  const { leaverBrake: settings } = effectiveSettings(environment.settings, tenant.settings)
  const status = await brakeStatus(c.var.database, tenant.id, settings)
  return { settings, status }
}

/** The state of the brake, and the form that releases what it holds; before it `children`, while it holds. @param path of the tenant */
export function BrakeCard(props: PropsWithChildren<{ settings: LeaverBrake; status: BrakeStatus; path: string }>) {
  const { settings, status, path, children } = props
  const { state, since, until, held, leavers, users } = status
  if (state === 'off')
    return (
      <Card title="Leaver brake" aside={<Badge>off</Badge>}>
        <p class="quiet">However many people leave at a time, the application is told at once.</p>
      </Card>
    )
  return (
    <Card title="Leaver brake" aside={<BrakeState state={state} />}>
      <dl class="facts">
        {since && until && (
          <>
            <dt>Holds</dt>
            <dd>
              {counted(held, 'event')} since <Moment at={since} />
            </dd>
            <dt>Released at the latest</dt>
            <dd>
              <Moment at={until} />
            </dd>
          </>
        )}
        <dt>Left lately</dt>
        <dd>
          {counted(leavers, 'person', 'people')} of {counted(users, 'user')} within{' '}
          {counted(settings.windowMinutes, 'minute')}
        </dd>
        {settings.mode !== 'off' && (
          <>
            <dt>Too many are</dt>
            <dd>
              {limitOf(settings)}; then it {settings.mode === 'hold' ? 'holds' : 'warns'}
            </dd>
          </>
        )}
      </dl>
      {state === 'engaged' && (
        <>
          <br />
          {children}
          <Release path={path} />
        </>
      )}
    </Card>
  )
}

function Release({ path }: { path: string }) {
  return (
    <details class="more act main">
      <summary>Release …</summary>
      <Form action={`${path}/brake/release`} class="fields">
        <p class="small">
          All that is held goes to the application, and leavers are counted anew. It cannot be undone.
        </p>
        <label>
          Note
          <input name="note" maxlength={1000} placeholder="end of the season" />
          <small>Why, for the audit trail and the log; may be empty.</small>
        </label>
        <button type="submit" class="main">
          Release
        </button>
      </Form>
    </details>
  )
}

/** The state of a brake in a word. */
export function BrakeState({ state }: { state: Exclude<BrakeStatus['state'], 'off'> }) {
  if (state === 'watching') return <Badge tone="good">watches</Badge>
  return state === 'engaged' ? <Badge tone="bad">brake holds</Badge> : <Badge tone="warn">letting go</Badge>
}

function limitOf({ count: most, percent }: LeaverBrake): string {
  return [
    ...(most === undefined ? [] : [`more than ${most.toLocaleString('en')}`]),
    ...(percent === undefined ? [] : [`more than ${percent} %`]),
  ].join(' or ')
}

function Held(props: {
  items: readonly HeldItem[]
  there: ReadonlyMap<string, string>
  names: ReadonlyMap<string, string>
  path: string
}) {
  const { items, there, names, path } = props
  return (
    <Table head={['Who', 'What', 'When', 'By']} label="Who would leave">
      {items.map(({ who, type, group, role, occurredAt, actor }) => (
        <tr>
          <td class="long">
            <Name of={who} there={there} path={path} />
          </td>
          <td class="long">
            {type}
            {group && (
              <>
                {' '}
                <Name of={{ ...group, type: 'Group', userName: null }} there={there} path={path} />
              </>
            )}
            {role !== null && (
              <>
                {' '}
                <code>{role}</code>
              </>
            )}
          </td>
          <td>
            <Moment at={occurredAt} />
          </td>
          <td>
            <Actor id={actor} names={names} />
          </td>
        </tr>
      ))}
    </Table>
  )
}

/** The name of a user or a group; a link where it still exists. */
function Name(props: { of: HeldItem['who']; there: ReadonlyMap<string, string>; path: string }) {
  const { of, there, path } = props
  const name = of.displayName ?? of.userName ?? of.id
  const collection = { User: 'users', Group: 'groups' }[of.type]
  return (
    <>
      {collection !== undefined && there.has(of.id) ? <a href={`${path}/${collection}/${of.id}`}>{name}</a> : name}
      {of.userName !== null && of.userName !== name && (
        <>
          <br />
          <span class="quiet small">{of.userName}</span>
        </>
      )}
    </>
  )
}

/** An identity provider may call a member anything. */
const isResourceId = (id: string): boolean => z.uuid().safeParse(id).success
