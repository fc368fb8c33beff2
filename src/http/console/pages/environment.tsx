import { z } from 'zod'
import { changeEnvironment } from '../../../administration/environments.ts'
import { expiringKeys } from '../../../administration/keys/key-warnings.ts'
import { createTenant } from '../../../administration/tenants.ts'
import type { Scope } from '../../../auth/principal.ts'
import type { Database } from '../../../db/database.ts'
import type { TenantId } from '../../../place-ids.ts'
import { apiKeysWithin } from '../../../repositories/control/api-keys.ts'
import { tenantTable } from '../../../repositories/control/finding/tenant-table.ts'
import { deadLetters, troubledEndpoints } from '../../../repositories/delivery/webhook-backlog.ts'
import { streamsOf, webhooksOf } from '../../../repositories/delivery/webhooks.ts'
import { holdingTenants } from '../../../repositories/log/held-events.ts'
import { environmentAt } from '../../control/places.ts'
import { keyText, nameText } from '../../control/schemas.ts'
import { type Problem, problemOf } from '../../problem.ts'
import { seesPeople } from '../directory.ts'
import type { ConsoleApp, ConsoleContext } from '../env.ts'
import { done, fieldsOf, queryOf } from '../forms.ts'
import { OVERVIEW } from '../here.ts'
import { Badge, Card, Form } from '../parts.tsx'
import { pathTo } from '../paths.ts'
import { NewEndpoint } from './endpoint/making.tsx'
import { EndpointsCard } from './endpoint/parts.tsx'
import { KeysCard, NewKey } from './keys/api-key-parts.tsx'
import { ownersOf } from './keys/key-owners.ts'
import { PauseAction } from './pause.tsx'
import { SettingsCard } from './place/settings-card.tsx'
import { TenantTable, tenantTableQuery } from './tenant-table.tsx'

const PATH = '/projects/:project/environments/:environment'
const TENANTS = 50
const ROWS = 20
/** Tenants of a kind that are marked as needing a look. */
const LOOKS = 500

/** The page of an environment: its tenants, keys, webhooks and settings. */
export function environmentPage(app: ConsoleApp): void {
  app.get(PATH, async (c) => {
    const { project, environment, scope } = await environmentAt(c.var, c.req.param())
    const query = queryOf(c, tenantTableQuery)
    const { database } = c.var
    const path = pathTo(project.key, environment.key)
    const [looks, keys, webhooks, streams] = await Promise.all([
      looksOf(database, scope),
      apiKeysWithin(database, scope).list({ after: undefined, limit: ROWS + 1 }),
      webhooksOf(database, scope).list({ after: undefined, limit: ROWS + 1 }),
      streamsOf(database, scope).list({ after: undefined, limit: ROWS + 1 }),
    ])
    const { q: part, provider, look, sort: order, backwards, after } = query
    const tenants = await tenantTable(database, environment.id, {
      ...{ order, backwards, after, provider, part, limit: TENANTS + 1 },
      ...(look ? { among: [...looks.all] as TenantId[], orTroubled: true } : {}),
    })
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
            <a class="button main" href={`${path}/new-tenant`}>
              New tenant
            </a>
            <PauseAction path={path} paused={environment.paused} what="environment" />
          </div>
          <p class="quiet">
            Environment <code>{environment.key}</code> of the project <code>{project.key}</code>
            {' · '}
            <a href={`${path}/settings`}>Settings</a>
          </p>
        </div>
        <Card title="Tenants">
          <TenantTable rows={tenants} limit={TENANTS} query={query} looks={looks} path={path} />
        </Card>
        <KeysCard keys={keys} owners={await ownersOf(c, keys)} limit={ROWS} path={path}>
          <NewKey path={path} by={c.var.principal} />
        </KeysCard>
        <EndpointsCard kind="webhooks" endpoints={webhooks} limit={ROWS} dead={dead} path={path}>
          {seesPeople(c) && <NewEndpoint kind="webhooks" path={path} />}
        </EndpointsCard>
        <EndpointsCard kind="streams" endpoints={streams} limit={ROWS} dead={dead} path={path}>
          {seesPeople(c) && <NewEndpoint kind="streams" path={path} />}
        </EndpointsCard>
        <SettingsCard environment={environment.settings} />
        <Card title="Change it">
          <ul class="plain">
            <li>
              <a href={`${path}/settings`}>Settings</a> for all of its tenants, its name, and its end
            </li>
            <li>
              <a href={`${path}/role-rules`}>Role rules</a>, with who gains and loses what
            </li>
            <li>
              <a href={`${path}/mapping`}>Mapping</a>: what the application reads of users
            </li>
            <li>
              <a href={`${path}/catalogue`}>Roles and entitlements</a> that identity providers may give to users
            </li>
            <li>
              <a href={`${path}/schemas`}>Schemas</a> that all of its tenants have
            </li>
          </ul>
        </Card>
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

  app.get(`${PATH}/new-tenant`, async (c) => {
    const { project, environment } = await environmentAt(c.var, c.req.param())
    return newTenantPage(c, project.key, environment.key)
  })

  app.post(`${PATH}/tenants`, async (c) => {
    const names = c.req.param()
    const { project, environment, scope } = await environmentAt(c.var, names)
    try {
      const input = fieldsOf(c.var.form, z.object({ key: keyText, name: nameText.optional() }))
      const made = await createTenant(c.var.administration, scope, input)
      return done(c, pathTo(names.project, names.environment, made.key), 'tenant-made')
    } catch (error) {
      // The form stays as it was filled in, with what is wrong.
      const problem = problemOf(error)
      if (problem === undefined || ![400, 409].includes(problem.status)) throw error
      c.status(problem.status as 400 | 409)
      return newTenantPage(c, project.key, environment.key, problem)
    }
  })
}

/** What of the tenants of an environment needs a look. */
async function looksOf(database: Database, scope: Extract<Scope, { kind: 'environment' }>) {
  const ids = [scope.environmentId]
  const [expiring, troubled, holding] = await Promise.all([
    expiringKeys(database, scope, LOOKS),
    troubledEndpoints(database, ids, undefined, LOOKS),
    holdingTenants(database, ids, undefined, LOOKS),
  ])
  const ofTenants = (rows: readonly { readonly tenantId: string | null }[]) =>
    new Set(rows.flatMap(({ tenantId }) => tenantId ?? []))
  const looks = {
    expiring: new Set(expiring.flatMap(({ scope }) => (scope.kind === 'tenant' ? [scope.tenantId] : []))),
    webhooks: ofTenants(troubled.filter(({ isStream }) => !isStream)),
    streams: ofTenants(troubled.filter(({ isStream }) => isStream)),
    holding: new Set(holding.map(({ id }) => id)),
  }
  return { ...looks, all: new Set(Object.values(looks).flatMap((ids) => [...ids])) }
}

function newTenantPage(c: ConsoleContext, project: string, environment: string, problem?: Problem) {
  const path = pathTo(project, environment)
  const value = (name: string) => c.var.form?.get(name) ?? ''
  return c.render(
    <section class="narrow card">
      <h1>New tenant</h1>
      {problem && (
        <div class="warning bad" role="alert">
          <p>{problem.detail}</p>
          {problem.errors && (
            <ul>
              {problem.errors.map(({ path, message }) => (
                <li>
                  <code>{path}</code> {message}
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
      <Form action={`${path}/tenants`} class="fields">
        <label>
          Key
          <input
            name="key"
            value={value('key')}
            required
            maxlength={64}
            pattern="[A-Za-z0-9][A-Za-z0-9._\-]*"
            autocapitalize="off"
          />
          <small>Stands in its base URL and never changes: letters, digits, “.”, “_” and “-”.</small>
        </label>
        <label>
          Name
          <input name="name" value={value('name')} maxlength={200} />
          <small>For people; the key where it is left empty.</small>
        </label>
        <button type="submit" class="main">
          Make the tenant
        </button>
      </Form>
    </section>,
    { title: 'New tenant', crumbs: [OVERVIEW, { name: `${project} / ${environment}`, path }] },
  )
}
