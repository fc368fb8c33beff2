import { z } from 'zod'
import { expiringKeys } from '../../../administration/keys/key-warnings.ts'
import { changeTenant } from '../../../administration/tenants.ts'
import { apiKeysWithin } from '../../../repositories/control/api-keys.ts'
import { tenantSummaries } from '../../../repositories/control/summaries.ts'
import { deadLetters } from '../../../repositories/delivery/webhook-backlog.ts'
import { streamsOf, webhooksOf } from '../../../repositories/delivery/webhooks.ts'
import { eventsByHour } from '../../../repositories/log/latest-events.ts'
import { roleProgressOf } from '../../../repositories/roles/role-rule-work.ts'
import { scimBaseUrls } from '../../admin/tenants.ts'
import type { AdminDependencies } from '../../control/env.ts'
import { seesPeople, TENANT, tenantHere } from '../directory.ts'
import type { ConsoleApp } from '../env.ts'
import { done, fieldsOf } from '../forms.ts'
import { hereOf } from '../here.ts'
import { Badge, Card, Copy, Tile } from '../parts.tsx'
import { KeysCard, NewKey } from './api-key-parts.tsx'
import { BrakeCard, BrakeState, brakeOf } from './brake.tsx'
import { EndpointsCard } from './endpoint-parts.tsx'
import { eventsWithNames } from './events.tsx'
import { Hours } from './hours.tsx'
import { PauseAction } from './pause.tsx'
import { FindUsers } from './people.tsx'
import { RoleProgressCard } from './role-progress.tsx'
import { SettingsCard } from './settings.tsx'
import { Timeline } from './timeline.tsx'

const ROWS = 20
const EVENTS = 12
const HOURS = 24

/** The page of a tenant: how it is, how it is reached, and what has happened lately. */
export function tenantPage(app: ConsoleApp, { config }: Pick<AdminDependencies, 'config'>): void {
  app.get(TENANT, async (c) => {
    const here = await tenantHere(c)
    const { project, environment, tenant, scope } = here
    const { path, crumbs } = await hereOf(c)
    const { database } = c.var
    const [[summary], keys, webhooks, streams, expiring, hours, brake, roles] = await Promise.all([
      tenantSummaries(database, [environment.id], { only: tenant.id, limit: 1 }),
      apiKeysWithin(database, scope).list({ after: undefined, limit: ROWS + 1 }),
      webhooksOf(database, scope).list({ after: undefined, limit: ROWS + 1 }),
      streamsOf(database, scope).list({ after: undefined, limit: ROWS + 1 }),
      expiringKeys(database, scope, ROWS),
      eventsByHour(database, tenant.id, HOURS),
      brakeOf(c, here),
      roleProgressOf(database, tenant.id),
    ])
    const dead = await deadLetters(
      database,
      [...webhooks, ...streams].map(({ id }) => id),
    )
    const letters = [...dead.values()].reduce((sum, one) => sum + one, 0)
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
        <div class="tiles">
          <Tile number={users} label={users === 1 ? 'user' : 'users'} {...to(people, 'users')} />
          {activeUsers !== users && <Tile number={users - activeUsers} label="of them shut out" />}
          <Tile number={groups} label={groups === 1 ? 'group' : 'groups'} {...to(people, 'groups')} />
          <Tile number={expiring.length} label="keys expire soon" tone={expiring.length > 0 ? 'warn' : 'plain'} />
          <Tile number={letters} label="dead letters" tone={letters > 0 ? 'bad' : 'plain'} />
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
        <Card title="Events by the hour">
          <Hours counts={hours} />
        </Card>
        <div class="two">
          <Card title="Base URLs">
            <p class="quiet small">For the identity provider. A click selects one.</p>
            {scimBaseUrls(c, config, { project, environment }, tenant.key).map((url) => (
              <Copy text={url} />
            ))}
          </Card>
          <Card title="People">{people === undefined ? <NotForThisKey /> : <FindUsers path={path} />}</Card>
        </div>
        {lately !== undefined && (
          <Card title="What happened lately" aside={<a href={`${path}/events`}>All events</a>}>
            {lately.events.length === 0 ? (
              <p class="quiet">Nothing yet: no identity provider has made anything here.</p>
            ) : (
              <Timeline {...lately} path={path} />
            )}
          </Card>
        )}
        <KeysCard keys={keys} limit={ROWS} path={path}>
          <NewKey path={path} by={c.var.principal} />
        </KeysCard>
        <EndpointsCard kind="webhooks" endpoints={webhooks} limit={ROWS} dead={dead} path={path} />
        <EndpointsCard kind="streams" endpoints={streams} limit={ROWS} dead={dead} path={path} />
        <SettingsCard environment={environment.settings} tenant={tenant.settings} />
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
