/**
 * A customer's whole life with the gateway: on-boarded with four calls, provisioned by Okta, its key replaced while Okta is at
 * work, and off-boarded. Run it against a gateway of yours; it takes away what it made:
 *
 *     ROLLCALL_URL=http://localhost:8080 ROLLCALL_ADMIN_KEY=… node --import tsx examples/onboarding.ts
 *
 * In a program of your own the client comes from 'rollcall/client'. What Okta sends is played from recordings, which check
 * every answer.
 */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { adminClient } from '../src/client/index.ts'
import { play, type Scenario } from '../test/support/traffic.ts'

const { ROLLCALL_URL: origin = 'http://localhost:8080', ROLLCALL_ADMIN_KEY: adminKey = '' } = process.env
const say = (text: string) => console.log(text)

let calls = 0
const admin = adminClient({
  origin,
  key: adminKey,
  fetch: (request) => {
    calls++
    return fetch(request)
  },
})

/** The answer of the admin API, which must not be a refusal. */
async function given<T>(answer: Promise<{ data?: T; error?: { detail?: string }; response: Response }>): Promise<T> {
  const { data, error, response } = await answer
  if (!response.ok) throw new Error(`${response.status} ${response.url}: ${error?.detail}`)
  return data as T
}

// On-boarding. Your own product has a project and an environment already; then the last two calls are enough.
const project = `product-${randomBytes(4).toString('hex')}`
const path = { project, environment: 'production' }
await given(admin.POST('/projects', { body: { key: project } }))
await given(admin.POST('/projects/{project}/environments', { params: { path }, body: { key: path.environment } }))
const tenant = await given(
  admin.POST('/projects/{project}/environments/{environment}/tenants', {
    params: { path },
    body: { key: 'acme', name: 'Acme' },
  }),
)
const first = await given(
  admin.POST('/projects/{project}/environments/{environment}/api-keys', {
    params: { path },
    body: { name: 'Okta', tenant: 'acme' },
  }),
)
say(`on-boarded with ${calls} calls: ${tenant.scimBaseUrl}`)

// Provisioning, as Okta does it.
const recordings = join(import.meta.dirname, '../test/fixtures/idp-traffic/okta')
// This application has no roles of its own to offer, so what Okta asks of a catalogue is left out.
const scenarios = readdirSync(recordings)
  .map((file): { file: string; scenario: Scenario } => ({
    file,
    scenario: JSON.parse(readFileSync(join(recordings, file), 'utf8')),
  }))
  .filter(({ scenario }) => scenario.catalogue === undefined)
const faults: string[] = []
let requests = 0
async function provision(scenario: Scenario, key: string): Promise<void> {
  faults.push(...(await play(scenario, tenant.scimBaseUrl, key)))
  requests += scenario.steps.reduce((sum, { repeat = 1 }) => sum + repeat, 0)
}
for (const { scenario } of scenarios) await provision(scenario, first.key)
say(`replayed ${scenarios.length} recordings of Okta: ${requests} requests, ${faults.length} failed`)

// Rotation, while clients that know nothing of each other are at work; each takes the key anew when it begins a recording.
// Paging is left out, since pages move while others create and delete.
const atOnce = scenarios.flatMap(({ file, scenario }) => (file === 'import-paging.json' ? [] : [scenario]))
let key = first.key
let atWork = true
const waiting = new Set<(client: number) => void>()
const clients = [0, 1, 2].map(async (client) => {
  for (let turn = client; atWork; turn++) {
    await provision(atOnce[turn % atOnce.length] as Scenario, key)
    for (const played of waiting) played(client)
  }
})
/** Settles once every client has begun a recording after this moment and played it; the one under way does not count. */
async function everyClientHasPlayedAnew(): Promise<void> {
  const left = clients.map(() => 2)
  await new Promise<void>((resolve) => {
    const played = (client: number) => {
      left[client] = (left[client] ?? 0) - 1
      if (left.some((turns) => turns > 0)) return
      waiting.delete(played)
      resolve()
    }
    waiting.add(played)
  })
}

await everyClientHasPlayedAnew()
const one = { params: { path: { ...path, apiKey: first.id } } }
const rotated = await given(
  admin.POST('/projects/{project}/environments/{environment}/api-keys/{apiKey}/rotation', { ...one, body: {} }),
)
// Both secrets are good now, so there is time to give the new one to Okta.
await everyClientHasPlayedAnew()
key = rotated.key
await everyClientHasPlayedAnew()
await given(admin.DELETE('/projects/{project}/environments/{environment}/api-keys/{apiKey}/rotation/old', one))
await everyClientHasPlayedAnew()
atWork = false
await Promise.all(clients)

const statusFor = async (secret: string) =>
  (await fetch(`${tenant.scimBaseUrl}/Users?count=1`, { headers: { Authorization: `Bearer ${secret}` } })).status
say(`rotated the key under way: ${requests} requests by now, ${faults.length} failed`)
say(`the old key is answered with ${await statusFor(first.key)}, the new one with ${await statusFor(rotated.key)}`)

// Off-boarding: the tenant goes with its people, its groups, its events and its keys.
const acme = { params: { path: { ...path, tenant: 'acme' } } }
await given(admin.DELETE('/projects/{project}/environments/{environment}/tenants/{tenant}', acme))
say(`off-boarded: its key is answered with ${await statusFor(rotated.key)}`)
await given(admin.DELETE('/projects/{project}/environments/{environment}', { params: { path } }))
await given(admin.DELETE('/projects/{project}', { params: { path } }))

for (const fault of faults) console.error(fault)
if (faults.length > 0) process.exitCode = 1
