import { z } from 'zod'
import { changeEnvironment } from '../../../administration/environments.ts'
import { expiringKeys } from '../../../administration/keys/key-warnings.ts'
import { createTenant } from '../../../administration/tenants.ts'
import { apiKeysWithin } from '../../../repositories/control/api-keys.ts'
import { tenantSummaries } from '../../../repositories/control/summaries.ts'
import { deadLetters, troubledEndpoints } from '../../../repositories/delivery/webhook-backlog.ts'
import { streamsOf, webhooksOf } from '../../../repositories/delivery/webhooks.ts'
import { holdingTenants } from '../../../repositories/log/held-events.ts'
import { environmentAt } from '../../control/places.ts'
import { keyText, nameText } from '../../control/schemas.ts'
import type { ConsoleApp } from '../env.ts'
import { done, fieldsOf, queryOf } from '../forms.ts'
import { OVERVIEW } from '../here.ts'
import { Badge, Card, cut, Form, Pager } from '../parts.tsx'
import { pathTo } from '../paths.ts'
import { KeysCard, NewKey } from './api-key-parts.tsx'
import { EndpointsCard } from './endpoint-parts.tsx'
import { TenantCards } from './overview.tsx'
import { PauseAction } from './pause.tsx'
import { SettingsCard } from './settings.tsx'

const PATH = '/projects/:project/environments/:environment'
const TENANTS = 60
const ROWS = 20

/** The page of an environment: its tenants, keys, webhooks and settings. */
export function environmentPage(app: ConsoleApp): void {
  app.get(PATH, async (c) => {
    const { project, environment, scope } = await environmentAt(c.var, c.req.param())
    const { after } = queryOf(c, z.object({ after: z.uuid().optional(), done: z.string().optional() }))
    const { database } = c.var
    const path = pathTo(project.key, environment.key)
    const [found, keys, webhooks, streams, expiring, troubled, holding] = await Promise.all([
      tenantSummaries(database, [environment.id], { after, limit: TENANTS + 1 }),
      apiKeysWithin(database, scope).list({ after: undefined, limit: ROWS + 1 }),
      webhooksOf(database, scope).list({ after: undefined, limit: ROWS + 1 }),
      streamsOf(database, scope).list({ after: undefined, limit: ROWS + 1 }),
      expiringKeys(database, scope, ROWS),
      troubledEndpoints(database, [environment.id], undefined, ROWS),
      holdingTenants(database, [environment.id], undefined, ROWS),
    ])
    const { page, last } = cut(found, TENANTS)
    const dead = await deadLetters(
      database,
      [...webhooks, ...streams].map(({ id }) => id),
    )
    return c.render(
      <>
        <div class="head">
          <h1>{environment.name}</h1>
          {environment.paused && <Badge tone="warn">paused</Badge>}
          <div class="actions">
            <PauseAction path={path} paused={environment.paused} what="environment" />
          </div>
          <p class="quiet">
            Environment <code>{environment.key}</code> of the project <code>{project.key}</code>
          </p>
        </div>
        <Card title="Tenants">
          <TenantCards tenants={page} path={path} among={{ expiring, troubled, holding }} />
          <Pager next={last && `${path}?after=${last.id}`} first={after && path} />
          <details class="more">
            <summary>New tenant …</summary>
            <Form action={`${path}/tenants`} class="fields">
              <label>
                Key
                <input name="key" required maxlength={64} pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" autocapitalize="off" />
                <small>Stands in its base URL: letters, digits, “.”, “_” and “-”.</small>
              </label>
              <label>
                Name
                <input name="name" maxlength={200} />
                <small>For people; the key where it is left empty.</small>
              </label>
              <button type="submit" class="main">
                Make the tenant
              </button>
            </Form>
          </details>
        </Card>
        <KeysCard keys={keys} limit={ROWS} path={path}>
          <NewKey path={path} by={c.var.principal} />
        </KeysCard>
        <EndpointsCard kind="webhooks" endpoints={webhooks} limit={ROWS} dead={dead} path={path} />
        <EndpointsCard kind="streams" endpoints={streams} limit={ROWS} dead={dead} path={path} />
        <SettingsCard environment={environment.settings} />
      </>,
      { title: environment.key, crumbs: [OVERVIEW] },
    )
  })

  app.post(`${PATH}/pause`, async (c) => {
    const names = c.req.param()
    const { scope } = await environmentAt(c.var, names)
    const { paused } = fieldsOf(c.var.form, z.object({ paused: z.stringbool() }))
    await changeEnvironment(c.var.administration, scope.projectId, scope.environmentId, { paused })
    return done(c, pathTo(names.project, names.environment), paused ? 'paused' : 'resumed')
  })

  app.post(`${PATH}/tenants`, async (c) => {
    const names = c.req.param()
    const { scope } = await environmentAt(c.var, names)
    const input = fieldsOf(c.var.form, z.object({ key: keyText, name: nameText.optional() }))
    const made = await createTenant(c.var.administration, scope, input)
    return done(c, pathTo(names.project, names.environment, made.key), 'tenant-made')
  })
}
