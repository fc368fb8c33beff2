import { z } from 'zod'
import { expiringKeys } from '../../../../administration/keys/key-warnings.ts'
import { changeTenant } from '../../../../administration/tenants.ts'
import { connectionOf, troubledTenants } from '../../../../repositories/control/connections.ts'
import { stepsOf } from '../../../../repositories/control/finding/first-steps.ts'
import { tenantSummaries } from '../../../../repositories/control/summaries.ts'
import { troubledEndpoints } from '../../../../repositories/delivery/webhook-backlog.ts'
import { eventsByHour } from '../../../../repositories/log/latest-events.ts'
import { roleProgressOf } from '../../../../repositories/roles/role-rule-work.ts'
import { seesPeople, TENANT, tenantHere } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf } from '../../forms.ts'
import { hereOf } from '../../here.ts'
import { Badge, Card, Tile } from '../../parts.tsx'
import { BrakeCard, BrakeState, brakeOf } from '../brake.tsx'
import { eventsWithNames } from '../events.tsx'
import { Hours } from '../hours.tsx'
import { TroubledTenantLine } from '../overview.tsx'
import { PauseAction } from '../pause.tsx'
import { FindUsers } from '../people.tsx'
import { RoleProgressCard } from '../role-progress.tsx'
import { Timeline } from '../timeline.tsx'
import { ConnectionCard, FirstSteps } from './first-steps.tsx'

const ROWS = 20
const EVENTS = 12
const HOURS = 24

/** The page of a tenant: how it is, and what has happened lately. Its other parts have pages of their own. */
export function tenantPage(app: ConsoleApp): void {
  app.get(TENANT, async (c) => {
    const here = await tenantHere(c)
    const { project, environment, tenant, scope } = here
    const { path, crumbs } = await hereOf(c)
    const { database } = c.var
    const [[summary], connection, toDo, [problem], expiring, troubled, hours, brake, roles] = await Promise.all([
      tenantSummaries(database, [environment.id], { only: tenant.id, limit: 1 }),
      connectionOf(database, tenant.id),
      stepsOf(database, scope),
      troubledTenants(database, [environment.id], tenant.id, 1),
      expiringKeys(database, scope, ROWS),
      troubledEndpoints(database, [environment.id], tenant.id, ROWS),
      eventsByHour(database, tenant.id, HOURS),
      brakeOf(c, here),
      roleProgressOf(database, tenant.id),
    ])
    const letters = troubled.reduce((sum, { dead }) => sum + dead, 0)
    const { users = 0, activeUsers = 0, groups = 0 } = summary ?? {}
    const people = seesPeople(c) ? path : undefined
    const lately = people === undefined ? undefined : await eventsWithNames(c, tenant.id, { limit: EVENTS })
    return c.render(
      <>
        <div class="head">
          <h1>{tenant.name}</h1>
          {brake.status.state === 'engaged' && <BrakeState state="engaged" />}
          {tenant.paused && <Badge tone="warn">paused</Badge>}
          {!tenant.paused && (project.paused || environment.paused) && (
            <Badge tone="warn">paused with what is around it</Badge>
          )}
          <div class="actions">
            <PauseAction path={path} paused={tenant.paused} what="tenant" />
          </div>
        </div>
        {problem !== undefined && (
          <Card title="Needs a look">
            <ul class="look">
              <TroubledTenantLine tenant={problem} />
            </ul>
          </Card>
        )}
        {users === 0 && <FirstSteps steps={toDo} connection={connection} path={path} />}
        <div class="tiles">
          <Tile number={users} label={users === 1 ? 'user' : 'users'} {...to(people, 'people')} />
          {activeUsers !== users && <Tile number={users - activeUsers} label="of them deactivated" />}
          <Tile number={groups} label={groups === 1 ? 'group' : 'groups'} {...to(people, 'groups')} />
          <Tile
            number={expiring.length}
            label={expiring.length === 1 ? 'key expires soon' : 'keys expire soon'}
            href={`${path}/connection`}
            tone={expiring.length > 0 ? 'warn' : 'plain'}
          />
          <Tile
            number={letters}
            label={letters === 1 ? 'dead letter' : 'dead letters'}
            href={`${path}/webhooks`}
            tone={letters > 0 ? 'bad' : 'plain'}
          />
        </div>
        <BrakeCard {...brake} path={path}>
          {people === undefined ? (
            <NotForThisKey />
          ) : (
            <p>
              <a href={`${path}/brake/held`}>Who would leave, by name</a>
            </p>
          )}
        </BrakeCard>
        <RoleProgressCard progress={roles} />
        {connection !== undefined && connection.firstRequestAt !== null && (
          <ConnectionCard connection={connection} path={path} />
        )}
        <Card title="Events by the hour">
          <Hours counts={hours} />
        </Card>
        <Card title="Find a person">{people === undefined ? <NotForThisKey /> : <FindUsers path={path} />}</Card>
        {lately !== undefined && (
          <Card title="What happened lately" aside={<a href={`${path}/events`}>All events</a>}>
            {lately.events.length === 0 ? (
              <p class="quiet">Nothing yet: no identity provider has made anything here.</p>
            ) : (
              <Timeline {...lately} path={path} />
            )}
          </Card>
        )}
      </>,
      { title: tenant.key, crumbs: crumbs.slice(0, -1) },
    )
  })

  app.post(`${TENANT}/pause`, async (c) => {
    const { scope, tenant } = await tenantHere(c)
    const { path } = await hereOf(c)
    const { paused } = fieldsOf(c.var.form, z.object({ paused: z.stringbool() }))
    await changeTenant(c.var.administration, scope, tenant.id, { paused })
    return done(c, path, paused ? 'paused' : 'resumed')
  })
}

/** Leads a tile to a page that the key may see. */
const to = (path: string | undefined, page: string) => (path === undefined ? {} : { href: `${path}/${page}` })

function NotForThisKey() {
  return (
    <p class="quiet">
      Who is in the tenant and what happens to them is for keys with the permission <code>directory:read</code>.
    </p>
  )
}
