import { afterAll, beforeAll, expect, test } from 'vitest'
import { ExternalIssuers } from '../../../src/auth/external-issuers.ts'
import { adminClient, type Schemas } from '../../../src/client/index.ts'
import { ControlPlane } from '../../../src/context/control-plane.ts'
import { admissions } from '../../../src/http/scim/admission.ts'
import { controlStore } from '../../../src/repositories/control/control-store.ts'
import type { ScimError } from '../../../src/scim/errors.ts'
import { locate } from '../../../src/tenancy/scim-path.ts'
import { type Gateway, openGateway, type TestTenant } from '../../support/gateway.ts'
import { idOf, tokenFor } from '../../support/oauth.ts'
import { askFederated, openWorkloadIssuer, type WorkloadIssuer } from '../../support/workloads.ts'

const KEY = '/projects/{project}/environments/{environment}/tenants/{tenant}/api-keys/{apiKey}'

let gateway: Gateway
let tenant: TestTenant
let entra: WorkloadIssuer
beforeAll(async () => {
  entra = await openWorkloadIssuer()
  gateway = await openGateway({ DELIVERY_NETWORKS: '127.0.0.1/32' })
  tenant = await gateway.newTenant()
})
afterAll(async () => {
  await gateway.close()
  await entra.close()
})

/** Another instance on the same database, on a clock of its own; it gives whether it lets a token in. */
function openAnother() {
  const { database, config, adminKey, origin } = gateway
  let now = 0
  const store = { ...controlStore(database, config.secretsKey), shared: true }
  const control = new ControlPlane(store, { clock: () => now, adminKey })
  const { host, port } = new URL(origin)
  const admit = admissions(control, new ExternalIssuers([]), { ...config, port: Number(port) })
  return {
    pass: (ms: number) => {
      now += ms
    },
    status: async (token: string): Promise<number> => {
      const headers: Record<string, string> = { authorization: `Bearer ${token}`, host }
      const path = locate(`${new URL(tenant.base).pathname}/Users`)
      try {
        await admit(path, (name) => headers[name], undefined)
        return 200
      } catch (refusal) {
        return (refusal as ScimError).status
      }
    },
  }
}

const client = () => adminClient({ origin: gateway.origin, key: gateway.adminKey })
const pathOf = (apiKey: string) => ({
  ...{ project: gateway.project, environment: gateway.environment, tenant: tenant.name, apiKey },
})
/** A key that trusts `entra`, that trust, and a token for it. */
async function federated() {
  const apiKey = idOf(await gateway.mintKey({ tenant }))
  const made = await client().POST(`${KEY}/trusts`, {
    params: { path: pathOf(apiKey) },
    body: entra.trust() as Schemas['NewTrust'],
  })
  const { body } = await askFederated(gateway, apiKey, await entra.sign())
  return { path: { ...pathOf(apiKey), trust: made.data?.id ?? '' }, token: body.access_token }
}

test('SEC-03 a trust that one instance ends is over at another one half a second later, and so are its tokens', async () => {
  const [{ path, token }, other] = [await federated(), await federated()]
  const another = openAnother()
  expect([await another.status(token), await another.status(other.token)]).toEqual([200, 200])
  expect((await client().DELETE(`${KEY}/trusts/{trust}`, { params: { path } })).response.status).toBe(204)
  another.pass(500)
  expect([await another.status(token), await another.status(other.token)]).toEqual([401, 200])
})

test('SEC-03 tokens of a key that one instance revokes are refused by another one half a second later, however they were got', async () => {
  const key = await gateway.mintKey({ tenant })
  const [{ path, token }, bySecret] = [await federated(), await tokenFor(gateway, key)]
  const another = openAnother()
  expect([await another.status(token), await another.status(bySecret)]).toEqual([200, 200])
  for (const apiKey of [path.apiKey, idOf(key)])
    expect((await client().DELETE(KEY, { params: { path: pathOf(apiKey) } })).response.status).toBe(204)
  another.pass(500)
  expect([await another.status(token), await another.status(bySecret)]).toEqual([401, 401])
})
