import { expect, onTestFinished, test, vi } from 'vitest'
import { createEnvironment } from '../../../src/administration/environments.ts'
import { createApiKey } from '../../../src/administration/keys/api-keys.ts'
import { createProject } from '../../../src/administration/projects.ts'
import { ExternalIssuers } from '../../../src/auth/external-issuers.ts'
import { CONFIGURED_ADMIN } from '../../../src/auth/principal.ts'
import { loadConfig } from '../../../src/config.ts'
import { ControlPlane } from '../../../src/context/control-plane.ts'
import { admissions } from '../../../src/http/scim/admission.ts'
import { controlStore } from '../../../src/repositories/control/control-store.ts'
import { locate } from '../../../src/tenancy/scim-path.ts'
import { administrationOn } from '../../support/administration.ts'
import { openTestDatabase } from '../../support/engines.ts'

test('SEC-03 a key that has expired is refused, also where the control plane is asked first whether it changed', async () => {
  const database = await openTestDatabase()
  const administration = administrationOn(database)
  const { id: projectId } = await createProject(administration, { key: 'admission' })
  const { id: environmentId } = await createEnvironment(administration, projectId, { key: 'e' })
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const expiresAt = new Date(Date.now() + 1_000)
  const scope = { kind: 'environment', projectId, environmentId } as const
  const { key } = await createApiKey(administration, scope, { name: 'k', expiresAt }, CONFIGURED_ADMIN)

  let clock = 0
  const control = new ControlPlane({ ...controlStore(database), shared: true }, { clock: () => clock })
  const admit = admissions(control, new ExternalIssuers([]), loadConfig({}))
  const headers: Record<string, string> = { authorization: `Bearer ${key}`, host: 'scim.test' }
  const ask = async () => admit(locate('/scim/v2/admission/e/Users'), (name) => headers[name], undefined)
  expect((await ask()).principal?.scope).toEqual(scope)
  // What was found is remembered, and confirmed anew after half a second.
  for (const pause of [0, 501]) {
    clock += pause
    expect((await ask()).principal?.scope).toEqual(scope)
  }
  vi.setSystemTime(expiresAt)
  for (const pause of [0, 501, 501]) {
    clock += pause
    await expect(ask()).rejects.toMatchObject({ status: 401 })
  }
  await control.stop()
})
