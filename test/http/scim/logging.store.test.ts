import { describe, expect, test } from 'vitest'
import { createEnvironment } from '../../../src/administration/environments.ts'
import { createApiKey } from '../../../src/administration/keys/api-keys.ts'
import { createProject } from '../../../src/administration/projects.ts'
import { createApp } from '../../../src/app.ts'
import { CONFIGURED_ADMIN } from '../../../src/auth/principal.ts'
import { loadConfig } from '../../../src/config.ts'
import { ControlPlane } from '../../../src/context/control-plane.ts'
import { createLogger } from '../../../src/observability/logger.ts'
import { controlStore } from '../../../src/repositories/control/control-store.ts'
import { USER_SCHEMA } from '../../../src/scim/urn.ts'
import { administrationOn } from '../../support/administration.ts'
import { idleDeliveries } from '../../support/deliveries.ts'
import { openTestDatabase } from '../../support/engines.ts'

describe('the log', () => {
  test('SEC-12 U-04 has one line per request, and no query, body, name, address, password or key in it', async () => {
    const database = await openTestDatabase()
    const control = new ControlPlane(controlStore(database))
    const lines: string[] = []
    const logger = createLogger('info', { write: (line) => lines.push(line) })
    const app = createApp({ database, control, config: loadConfig({}), logger, deliveries: idleDeliveries(database) })
    const administration = administrationOn(database, control)
    const project = await createProject(administration, { key: `log-${Date.now()}` })
    const environment = await createEnvironment(administration, project.id, { key: 'e' })
    const scope = { kind: 'environment', projectId: project.id, environmentId: environment.id } as const
    const { key, id } = await createApiKey(administration, scope, { name: 'k' }, CONFIGURED_ADMIN)
    const base = `http://gateway.example/scim/v2/${project.key}/e`
    const send = (method: string, path: string, body?: unknown) =>
      app.request(`${base}${path}`, {
        method,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/scim+json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })

    const user = { schemas: [USER_SCHEMA], userName: 'secretive@example.com', password: 'S3cret-pass' }
    expect((await send('POST', '/Users', user)).status).toBe(201)
    expect((await send('POST', '/Users', user)).status).toBe(409)
    expect((await send('GET', '/Users?filter=userName%20eq%20%22secretive@example.com%22')).status).toBe(200)
    expect((await send('GET', '/Users?filter=userName%20eq%20secretive')).status).toBe(400)

    expect(lines).toHaveLength(4)
    expect(lines.map((line) => JSON.parse(line).keyId)).toEqual([id, id, id, id])
    // Why it was refused, in a word of ours.
    expect(lines.map((line) => JSON.parse(line).reason)).toEqual([
      ...[undefined, 'value-not-unique', undefined, 'filter-malformed'],
    ])
    for (const line of lines) {
      expect(line).not.toMatch(/secretive|S3cret-pass|\?|filter=|userName/)
      expect(line).not.toContain(key.slice(-20))
    }
    await control.stop()
  })
})
