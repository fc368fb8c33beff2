import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AGENT_SCHEMA as AGENT } from '../../src/scim/urn.ts'
import type { BaseForm } from '../../src/tenancy/scim-path.ts'
import { type Answer, type Gateway, openGateway, type Scim, type TestTenant } from '../support/gateway.ts'
import { jsonIn } from '../support/http-client.ts'
import { bulkBody, idIn, userBody } from '../support/instances.ts'
import { adminOf, type Body, inShort, json, listed, patchOf } from './registered.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(async () => {
  await gateway.close()
  expect(gateway.errors).toEqual([])
})

const nobody = '0190a0b0-c0d0-7000-8000-000000000000'
const agent = (agentUserName: string, more: Body = {}): Body => ({ schemas: [AGENT], agentUserName, ...more })
const withAgents = () => gateway.newTenant({ settings: { agents: true } })

async function eventsOf({ id }: Pick<TestTenant, 'id'>) {
  const rows = await gateway.database.run<{ type: string; resource_type: string; changes: string }>(
    `select type, resource_type, changes from events where tenant_id = $1::uuid and type not like 'tenant.%'
       and type not like 'api_key.%' order by seq`,
    [id],
  )
  return rows.map(({ type, resource_type, changes }) => ({ type, of: resource_type, changes: JSON.parse(changes) }))
}
const typesOf = async (tenant: Pick<TestTenant, 'id'>) => (await eventsOf(tenant)).map(({ type }) => type)

/** Sends to one of the three base URLs of the default tenant. */
const at =
  (base: string, key: string): Scim =>
  async (method, path, body, headers = {}) => {
    const response = await fetch(base + path, {
      method,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/scim+json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: jsonIn(text) } satisfies Answer
  }

describe.each<BaseForm>(['legacy', 'default', 'tenant'])('agents at the base URL in the form %s', (form) => {
  test('D-08 TEN-09 are created, found, changed and deleted like any resource', async () => {
    const { tenant } = gateway
    await gateway.setSettings(tenant, { agents: true })
    const base = gateway.bases[form]
    const scim = at(base, tenant.key)
    const owner = idIn(await scim('POST', '/Users', userBody(`owner-${form}`)))
    const made = await scim(
      'POST',
      '/Agents',
      agent(`Bot-${form}`, { displayName: 'Bot', externalId: 'a1', active: true, owners: [{ value: owner }] }),
    )
    expect(made.status).toBe(201)
    const id = idIn(made)
    expect(made.headers.get('location')).toBe(`${base}/Agents/${id}`)
    expect(json(made)).toMatchObject({
      ...{ schemas: [AGENT], id, externalId: 'a1', agentUserName: `Bot-${form}`, active: true },
      ...{ owners: [{ value: owner }], meta: { resourceType: 'Agent', location: `${base}/Agents/${id}` } },
    })
    for (const filter of [`agentUserName eq "bot-${form}"`, `owners.value eq "${owner}" and active eq true`])
      expect(await listed(scim, '/Agents', { filter })).toMatchObject([{ id }])
    const off = await scim('PATCH', `/Agents/${id}`, patchOf({ op: 'replace', path: 'active', value: false }))
    expect(json(off)).toMatchObject({ active: false })
    const { active, ...rest } = json(off)
    expect((await scim('PUT', `/Agents/${id}`, { ...rest, displayName: 'Robot' })).status).toBe(200)
    expect((await scim('DELETE', `/Agents/${id}`)).status).toBe(204)
    expect((await scim('GET', `/Agents/${id}`)).status).toBe(404)
    await gateway.setSettings(tenant, { agents: null })
    expect((await scim('GET', '/Agents')).status).toBe(404)
  })
})

describe('a tenant that has switched agents on', () => {
  test('shows them in its discovery, marked as of a draft, and no other tenant does', async () => {
    const [tenant, other] = [await withAgents(), await gateway.newTenant()]
    const type = json(await tenant.scim('GET', '/ResourceTypes/Agent'))
    expect(type).toMatchObject({ endpoint: '/Agents', schema: AGENT, description: expect.stringContaining('draft-') })
    const schema = json(await tenant.scim('GET', `/Schemas/${AGENT}`)) as { attributes: Body[] }
    expect(schema.attributes.map(({ name }) => name)).toEqual([
      ...['agentUserName', 'displayName', 'description', 'active', 'owners'],
    ])
    expect(schema.attributes[4]).toHaveProperty(
      ['subAttributes', 1],
      expect.objectContaining({ name: '$ref', referenceTypes: ['User'] }),
    )
    const id = idIn(await tenant.scim('POST', '/Agents', agent('bot')))
    for (const path of ['/ResourceTypes', '/Schemas', '/ServiceProviderConfig', '/'])
      expect((await other.scim('GET', path)).text).not.toMatch(/agent/i)
    const refused = [
      await other.scim('GET', '/Agents'),
      await other.scim('POST', '/Agents', agent('bot')),
      await other.scim('GET', `/Agents/${id}`),
      await other.scim('POST', '/Agents/.search', {}),
      await other.scim('GET', '/ResourceTypes/Agent'),
      await other.scim('GET', `/Schemas/${AGENT}`),
    ]
    expect(refused.map(({ status }) => status)).toEqual(Array(6).fill(404))
    expect((await fetch(`${gateway.origin}/docs/modes`).then((answer) => answer.text())).toLowerCase()).not.toContain(
      'agentusername',
    )
  })

  test('TEN-04 keeps its agents to itself', async () => {
    const [one, two] = [await withAgents(), await withAgents()]
    const id = idIn(await one.scim('POST', '/Agents', agent('bot', { externalId: 'same' })))
    expect((await two.scim('POST', '/Agents', agent('bot', { externalId: 'same' }))).status).toBe(201)
    expect((await two.scim('GET', `/Agents/${id}`)).status).toBe(404)
    expect((await two.scim('DELETE', `/Agents/${id}`)).status).toBe(404)
    const owner = idIn(await one.scim('POST', '/Users', userBody('owner')))
    expect(inShort(await two.scim('POST', '/Agents', agent('of another', { owners: [{ value: owner }] })))).toBe(
      '400 invalidValue',
    )
  })

  test('refuses a second agent of a name, letter case aside, and an agent without one', async () => {
    const { scim } = await withAgents()
    await scim('POST', '/Agents', agent('Bot'))
    expect(inShort(await scim('POST', '/Agents', agent('bOT')))).toBe('409 uniqueness')
    expect(inShort(await scim('POST', '/Agents', { schemas: [AGENT], displayName: 'Bot' }))).toBe('400 invalidValue')
    // A user may be called the same.
    expect((await scim('POST', '/Users', userBody('Bot'))).status).toBe(201)
  })

  test('takes users of its own alone as owners, by id or by $ref', async () => {
    const tenant = await withAgents()
    const { scim, base } = tenant
    const [user, group] = [
      idIn(await scim('POST', '/Users', userBody('ada'))),
      idIn(await scim('POST', '/Groups', { displayName: 'Owners' })),
    ]
    const bot = idIn(await scim('POST', '/Agents', agent('first', { owners: [{ $ref: `${base}/Users/${user}` }] })))
    for (const owners of [
      [{ value: nobody }],
      [{ value: group }],
      [{ $ref: `${base}/Agents/${bot}` }],
      [{ value: bot }],
    ])
      expect(inShort(await scim('POST', '/Agents', agent('second', { owners })))).toBe('400 invalidValue')
    // An owner who is deleted stays named, as in other references; what is changed beside is not refused.
    const kept = idIn(await scim('POST', '/Agents', agent('third', { owners: [{ value: user }] })))
    expect((await scim('DELETE', `/Users/${user}`)).status).toBe(204)
    const changed = await scim('PATCH', `/Agents/${kept}`, patchOf({ op: 'add', path: 'displayName', value: 'Third' }))
    expect(json(changed)).toMatchObject({ displayName: 'Third', owners: [{ value: user }] })
    const removed = await scim(
      'PATCH',
      `/Agents/${kept}`,
      patchOf({ op: 'remove', path: `owners[value eq "${user}"]` }),
    )
    expect(json(removed)).not.toHaveProperty('owners')
  })

  test('gets an event for each change, told apart by whether the agent may act', async () => {
    const tenant = await withAgents()
    const { scim } = tenant
    const id = idIn(await scim('POST', '/Agents', agent('bot')))
    const set = (path: string, value: unknown) =>
      scim('PATCH', `/Agents/${id}`, patchOf({ op: 'replace', path, value }))
    await set('active', true)
    await set('active', false)
    await set('active', false)
    await set('description', 'Answers mail')
    await set('active', true)
    await scim('DELETE', `/Agents/${id}`)
    const events = await eventsOf(tenant)
    expect(events.map(({ type }) => type)).toEqual([
      ...['agent.created', 'agent.updated', 'agent.deactivated', 'agent.updated', 'agent.activated', 'agent.deleted'],
    ])
    expect(new Set(events.map(({ of }) => of))).toEqual(new Set(['Agent']))
    expect(events[2]?.changes).toEqual({ changed: [{ path: 'active', before: true, after: false }] })
    expect(events[5]?.changes).toMatchObject({ before: { agentUserName: 'bot', description: 'Answers mail' } })
  })

  test('takes agents in bulk', async () => {
    const tenant = await withAgents()
    const bulk = bulkBody([
      { method: 'POST', path: '/Users', bulkId: 'owner', data: userBody('ada') },
      { method: 'POST', path: '/Agents', bulkId: 'bot', data: agent('bot', { owners: [{ value: 'bulkId:owner' }] }) },
    ])
    const answer = await tenant.scim('POST', '/Bulk', bulk)
    expect((json(answer).Operations as { status: string }[]).map(({ status }) => status)).toEqual(['201', '201'])
    expect(await typesOf(tenant)).toEqual(['user.created', 'agent.created'])
  })

  test('counts no agent among its seats, and none among its leavers', async () => {
    const leaverBrake = { mode: 'hold', count: 1, windowMinutes: 60, releaseAfterHours: 24 } as const
    const tenant = await gateway.newTenant({ settings: { agents: true, maxActiveUsers: 1, leaverBrake } })
    const ids: string[] = []
    for (const name of ['one', 'two', 'three'])
      ids.push(idIn(await tenant.scim('POST', '/Agents', agent(name, { active: true }))))
    expect((await tenant.scim('POST', '/Users', userBody('the only seat'))).status).toBe(201)
    for (const id of ids) expect((await tenant.scim('DELETE', `/Agents/${id}`)).status).toBe(204)
    const log = async () => {
      const place = `projects/${gateway.project}/environments/${gateway.environment}/tenants/${tenant.name}`
      const answer = await fetch(`${gateway.origin}/api/v1/${place}/events?types=agent.*,brake.*&limit=100`, {
        headers: { Authorization: `Bearer ${gateway.adminKey}` },
      })
      return ((await answer.json()) as { items: { type: string }[] }).items.map(({ type }) => type)
    }
    await expect.poll(log).toEqual([...Array(3).fill('agent.created'), ...Array(3).fill('agent.deleted')])
  })

  test('keeps its agents while they are switched off, and shows none of them', async () => {
    const tenant = await withAgents()
    const id = idIn(await tenant.scim('POST', '/Agents', agent('bot')))
    const place = `projects/${gateway.project}/environments/${gateway.environment}/tenants/${tenant.name}`
    const snapshot = async () => {
      const headers = { Authorization: `Bearer ${gateway.adminKey}` }
      return (await fetch(`${gateway.origin}/api/v1/${place}/snapshot`, { headers })).text()
    }
    expect(await snapshot()).toContain(id)
    await gateway.setSettings(tenant, { agents: false })
    expect(await snapshot()).not.toContain(id)
    expect((await tenant.scim('GET', `/Agents/${id}`)).status).toBe(404)
    expect(await listed(tenant.scim, '/')).toEqual([])
    await gateway.setSettings(tenant, { agents: true })
    expect((await tenant.scim('GET', `/Agents/${id}`)).status).toBe(200)
  })
})

test('a resource type of an operator stands in the place of the agents, with the events that it had', async () => {
  const tenant = await withAgents()
  const own = {
    resourceType: { name: 'Agent', endpoint: '/Agents', schema: AGENT },
    schemas: [{ id: AGENT, name: 'Agent', attributes: [{ name: 'codename' }, { name: 'active', type: 'boolean' }] }],
  }
  expect((await adminOf(gateway)('PUT', '/resource-types/Agent', own, tenant)).status).toBe(201)
  const id = idIn(await tenant.scim('POST', '/Agents', { schemas: [AGENT], codename: '007', active: true }))
  await tenant.scim('PATCH', `/Agents/${id}`, patchOf({ op: 'replace', path: 'active', value: false }))
  expect(await typesOf(tenant)).toEqual(['agent.created', 'agent.updated'])
  await gateway.setSettings(tenant, { agents: false })
  expect((await tenant.scim('GET', `/Agents/${id}`)).status).toBe(200)
})
