import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { AGENT_SCHEMA } from '../../src/scim/urn.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { idIn, patchBody } from '../support/instances.ts'
import { openStreams, type Streams } from '../support/streams.ts'

let database: Database
let streams: Streams
beforeAll(async () => {
  database = await openFreshDatabase()
  streams = await openStreams(database)
})
afterAll(async () => {
  await streams.close()
  await database.close()
})

test('EV-02 agents are events of SCIM in tokens, and no signals, which are about people', async () => {
  const tenant = await streams.here.newTenant({ settings: { agents: true } })
  const to = await streams.stream(tenant, { signals: ['caep', 'risc'] })
  const body = { schemas: [AGENT_SCHEMA], agentUserName: 'bot', externalId: 'a1' }
  const id = idIn(await tenant.scim('POST', '/Agents', body))
  for (const active of [false, true])
    await tenant.scim('PATCH', `/Agents/${id}`, patchBody({ op: 'replace', path: 'active', value: active }))
  await tenant.scim('DELETE', `/Agents/${id}`)
  const taken = () => streams.receiver.taken(to.path)
  await expect
    .poll(() => taken().map(({ uri }) => uri.replace(/^urn:ietf:params:scim:event:prov:/, '')))
    .toEqual(['create:notice', 'patch:notice', 'deactivate', 'patch:notice', 'activate', 'delete'])
  expect(new Set(taken().map(({ claims }) => claims.sub_id.uri))).toEqual(new Set([`/Agents/${id}`]))
})
