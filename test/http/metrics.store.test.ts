import { describe, expect, test } from 'vitest'
import { createEnvironment } from '../../src/administration/environments.ts'
import { createApiKey } from '../../src/administration/keys/api-keys.ts'
import { createProject } from '../../src/administration/projects.ts'
import { createApp } from '../../src/app.ts'
import { CONFIGURED_ADMIN } from '../../src/auth/principal.ts'
import { loadConfig } from '../../src/config.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import { createLogger } from '../../src/observability/logger.ts'
import { openMetrics } from '../../src/observability/metrics.ts'
import { controlStore } from '../../src/repositories/control/control-store.ts'
import { administrationOn } from '../support/administration.ts'
import { idleDeliveries } from '../support/deliveries.ts'
import { openTestDatabase } from '../support/engines.ts'

const METRICS_KEY = 'a-key-of-metrics-for-the-tests'

async function openApp(variables: Record<string, string>) {
  const database = await openTestDatabase()
  const control = new ControlPlane(controlStore(database))
  const metrics = openMetrics()
  const config = loadConfig(variables)
  const logger = createLogger('silent')
  const app = createApp({ database, control, config, logger, deliveries: idleDeliveries(database), metrics })
  const send = (path: string, key?: string, method = 'GET') =>
    app.request(`http://gateway.example${path}`, {
      method,
      headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    })
  return { administration: administrationOn(database, control), control, send }
}

describe('/metrics', () => {
  test('SEC-13 is not there without METRICS_KEY, and takes no other key', async () => {
    const without = await openApp({})
    expect((await without.send('/metrics')).status).toBe(404)
    const opened = await openApp({ METRICS_KEY, ADMIN_KEY: 'an-admin-key-for-the-tests-1' })
    const anonymous = await opened.send('/metrics')
    expect([anonymous.status, anonymous.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="metrics"'])
    expect((await opened.send('/metrics', 'an-admin-key-for-the-tests-1')).status).toBe(401)
    const answer = await opened.send('/metrics', METRICS_KEY)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')])
    await Promise.all([without.control.stop(), opened.control.stop()])
  })

  test('SEC-12 names routes by templates: no project, tenant, key, id or name of a customer', async () => {
    const { administration, control, send } = await openApp({ METRICS_KEY })
    const project = await createProject(administration, { key: `metered-${Date.now()}` })
    const environment = await createEnvironment(administration, project.id, { key: 'secretive' })
    const scope = { kind: 'environment', projectId: project.id, environmentId: environment.id } as const
    const { key, id } = await createApiKey(administration, scope, { name: 'k' }, CONFIGURED_ADMIN)
    const base = `/scim/v2/${project.key}/secretive`
    const user = '01890000-0000-7000-8000-000000000001'
    await send(`${base}/Users/${user}`, key)
    await send(`${base}/Users?filter=userName%20eq%20%22secretive%22`, key)
    await send(`${base}/secretive/${user}/secretive`, key)
    await send(`${base}/Users`)
    await send(`/api/v1/projects/${project.id}`, key)
    await send('/secretive')
    const body = await (await send('/metrics', METRICS_KEY)).text()
    const routes = [...body.matchAll(/_count\{route="([^"]*)",method="GET",status="(\dxx)"\}/g)].map(
      ([, route, status]) => `${status} ${route}`,
    )
    expect(routes).toEqual([
      '4xx /scim/v2/:base/Users/:id',
      '2xx /scim/v2/:base/Users',
      '4xx /scim/v2/:base/:endpoint/:id/*',
      '4xx none',
      expect.stringMatching(/^4xx \/api\/v1\//),
      expect.stringMatching(/^4xx /),
    ])
    expect(body).not.toMatch(/secretive|metered-/)
    for (const secret of [project.id, id, key, user]) expect(body).not.toContain(secret)
    await control.stop()
  })

  test('counts what is refused by its reason: keys that are not good, limits, and what a query may cost', async () => {
    const { administration, control, send } = await openApp({
      METRICS_KEY,
      TENANT_MAX_IN_FLIGHT: '1',
      FILTER_BUDGET: '10',
    })
    const project = await createProject(administration, { key: `refused-${Date.now()}` })
    const environment = await createEnvironment(administration, project.id, { key: 'dev' })
    const scope = { kind: 'environment', projectId: project.id, environmentId: environment.id } as const
    const { key } = await createApiKey(administration, scope, { name: 'k' }, CONFIGURED_ADMIN)
    const users = `/scim/v2/${project.key}/dev/Users`
    await send(users, key)
    const dear = ['title', 'nickName', 'displayName'].map((name) => `not (${name} co "x")`).join(' and ')
    const { status } = await send(`${users}?filter=${encodeURIComponent(dear)}`, key)
    expect(status).toBe(400)
    await send(users)
    const both = await Promise.all([send(users, key), send(users, key)])
    expect(both.map((answer) => answer.status).sort()).toEqual([200, 429])
    const body = await (await send('/metrics', METRICS_KEY)).text()
    const reasons = [...body.matchAll(/requests_refused_total\{reason="([^"]*)"\} (\d+)/g)].map(([, ...of]) => of)
    expect(Object.fromEntries(reasons)).toEqual({ credentials: '1', cost: '1', tenant_requests: '1' })
    await control.stop()
  })
})
