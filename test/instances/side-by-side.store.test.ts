import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { changeEnvironment } from '../../src/administration/environments.ts'
import { createApiKey } from '../../src/administration/keys/api-keys.ts'
import { changeProject } from '../../src/administration/projects.ts'
import { changeTenant } from '../../src/administration/tenants.ts'
import { CONFIGURED_ADMIN, type Scope } from '../../src/auth/principal.ts'
import type { Database } from '../../src/db/database.ts'
import { type AuditEntry, listAuditEntries } from '../../src/repositories/control/audit.ts'
import { adminSender, environmentPath } from '../support/admin-sender.ts'
import { administrationOn } from '../support/administration.ts'
import { engineName, openDatabases } from '../support/engines.ts'
import type { TestTenant } from '../support/gateway.ts'
import { holdBy, untilWaiting } from '../support/held.ts'
import { addMembers, groupBody, type Instance, idIn, openInstance, type Place, userBody } from '../support/instances.ts'

// The embedded engine has one session, in which nothing is ever at work beside anything else: there is no lock to wait for.
const sideBySide = engineName() === 'pglite' ? test.skip : test

const ADMIN_KEY = 'test-admin-key-with-some-length'

let database: Database
/** The instance that holds something. */
let other: Database
let instance: Instance
let place: Place
let elsewhere: Place
let tenant: TestTenant

beforeAll(async () => {
  ;[database, other = database] = await openDatabases(12)
  instance = await openInstance(database, { ADMIN_KEY })
  place = await instance.newPlace()
  elsewhere = await instance.newPlace()
  tenant = await instance.newTenant({ place })
})
afterAll(async () => {
  await instance.close()
  await database.close()
  if (other !== database) await other.close()
})

const api = adminSender(() => instance, ADMIN_KEY)
const at = environmentPath
const keyFor = async (scope: Scope) =>
  (await createApiKey(administrationOn(database), scope, { name: 'k' }, CONFIGURED_ADMIN)).id
const scopeOf = ({ projectId, environmentId }: Place) => ({ kind: 'environment', projectId, environmentId }) as const

describe('changes of the control plane go on side by side', () => {
  sideBySide('a change that is held up in one environment holds up neither another one nor a revocation', async () => {
    const scope = { ...scopeOf(place), kind: 'tenant', tenantId: tenant.id } as const
    const [ofEnvironment, ofTenant] = [await keyFor(scopeOf(place)), await keyFor(scope)]
    const row = await holdBy(other, 'select 1 from environments where id = $1::uuid for update', [place.environmentId])
    let settled = false
    const held = api('PATCH', at(place), { name: 'later' }).finally(() => {
      settled = true
    })
    await untilWaiting(other)
    const answers = [
      await api('PATCH', at(elsewhere), { name: 'at once' }),
      await api('POST', `${at(elsewhere)}/tenants`, { key: 'new' }),
      await api('POST', `${at(elsewhere)}/api-keys`, { name: 'new' }),
      await api('DELETE', `/api-keys/${ofEnvironment}`),
      await api('DELETE', `${at(place)}/tenants/${tenant.id}/api-keys/${ofTenant}`),
      await api('PATCH', `${at(place)}/tenants/${tenant.id}`, { paused: true }),
      await api('PATCH', `${at(place)}/tenants/${tenant.id}`, { paused: false }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 201, 201, 204, 204, 200, 200])
    expect(settled).toBe(false)
    await row.release()
    expect((await held).status).toBe(200)
  })

  sideBySide('a key of a tenant is revoked whatever holds the tenant', async () => {
    const scope = { ...scopeOf(place), kind: 'tenant', tenantId: tenant.id } as const
    const id = await keyFor(scope)
    const row = await holdBy(other, 'select 1 from tenants where id = $1::uuid for update', [tenant.id])
    const answer = await api('DELETE', `${at(place)}/tenants/${tenant.id}/api-keys/${id}`)
    expect(answer.status).toBe(204)
    await row.release()
  })

  sideBySide('role rules wait for no writer, and no writer waits for them', async () => {
    const { id } = await instance.newTenant({ place })
    const third = await instance.newTenant({ place: elsewhere })
    const group = idIn(await third.scim('POST', '/Groups', groupBody('G')))
    const someone = idIn(await third.scim('POST', '/Users', userBody('u')))
    const key = await keyFor(scopeOf(elsewhere))
    // A long import of any tenant.
    const writer = await holdBy(other, 'lock table memberships in row exclusive mode', [])
    const rules = { roleRules: [{ group: { displayName: 'Sales' }, role: 'seller' }] }
    expect((await api('PATCH', `${at(place)}/tenants/${id}`, { settings: rules })).status).toBe(200)
    expect((await api('DELETE', `/api-keys/${key}`)).status).toBe(204)
    expect((await third.scim('PATCH', `/Groups/${group}`, addMembers(someone))).status).toBeLessThan(300)
    await writer.release()
  })

  sideBySide('who waits for too long is told to come again, and nothing was done', async () => {
    const row = await holdBy(other, 'select 1 from environments where id = $1::uuid for update', [place.environmentId])
    const before = (await api('GET', at(place))).body
    const answer = await api('PATCH', at(place), { name: 'never' })
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0)
    expect(answer.body).toMatchObject({ detail: expect.stringContaining('nothing was done') })
    await row.release()
    expect((await api('GET', at(place))).body).toEqual(before)
  })

  sideBySide('what is deleted takes nothing new', async () => {
    const { id: projectId } = (await api<{ id: string }>('POST', '/projects', { key: 'going' })).body
    const making = api('POST', `/projects/${projectId}/environments`, { key: 'prod' })
    const [made, gone] = [await making, await api('DELETE', `/projects/${projectId}`)]
    expect([made.status, gone.status]).toEqual([201, 409])
    // And at the same moment: one of both is too late, and is told so.
    for (let round = 0; round < 10; round++) {
      const { id } = (await api<{ id: string }>('POST', '/projects', { key: `r${round}` })).body
      const both = await Promise.all([
        api('POST', `/projects/${id}/environments`, { key: 'prod' }),
        api('DELETE', `/projects/${id}`),
        api('POST', `/projects/${id}/api-keys`, { name: 'k' }),
      ])
      const [environment, deleted, key] = both.map(({ status }) => status)
      expect([
        [201, 409],
        [404, 204],
        [403, 204],
      ]).toContainEqual([environment, deleted])
      expect([201, 404, 403]).toContain(key)
    }
  })

  sideBySide('a tenant and a resource type do not get the same name at the same moment', async () => {
    for (let round = 0; round < 10; round++) {
      const key = `Devices${round}`
      const type = {
        name: `Device${round}`,
        endpoint: `/${key}`,
        description: 'x',
        schema: `urn:example:Device${round}`,
      }
      const attributes = [{ name: 'serial', type: 'string', multiValued: false }]
      const definition = {
        resourceType: type,
        schemas: [{ id: type.schema, name: type.name, description: 'x', attributes }],
      }
      const statuses = await Promise.all([
        api('POST', `${at(place)}/tenants`, { key }),
        api('PUT', `${at(place)}/resource-types/${type.name}`, definition),
      ])
      expect(statuses.map(({ status }) => status).sort()).toEqual([201, 409])
    }
  })
})

describe('SEC-14 the audit trail has the order of the commits', () => {
  sideBySide('what began first and was held up stands behind what was done meanwhile', async () => {
    const row = await holdBy(other, 'select 1 from environments where id = $1::uuid for update', [place.environmentId])
    const held = api('PATCH', at(place), { name: 'began first' })
    await untilWaiting(other)
    await api('PATCH', at(elsewhere), { name: 'ended first' })
    await row.release()
    await held
    const [last, before] = await listAuditEntries(database, { kind: 'instance' }, { after: undefined, limit: 2 })
    expect([last, before].map((entry) => entry?.after?.name)).toEqual(['began first', 'ended first'])
    expect(last?.at.getTime()).toBeGreaterThanOrEqual(before?.at.getTime() ?? Number.NaN)
  })

  test('a reader who pages on misses no entry while many change many places', async () => {
    const places = [place, elsewhere, ...(await Promise.all([1, 2, 3, 4].map(() => instance.newPlace())))]
    const seen = new Map<number, AuditEntry>()
    const missed: number[] = []
    const read = async () => {
      const entries = await listAuditEntries(other, { kind: 'instance' }, { after: undefined, limit: 1_000 })
      const newest = Math.max(0, ...seen.keys())
      for (const entry of entries) {
        const seq = Number(entry.id)
        if (seq < newest && !seen.has(seq)) missed.push(seq)
      }
      for (const entry of entries) seen.set(Number(entry.id), entry)
    }
    await read()
    const first = Math.max(...seen.keys())
    let going = true
    const reading = (async () => {
      while (going) await read()
    })()
    await Promise.all(
      places.map(async (each, n) => {
        const administration = administrationOn(n % 2 ? database : other)
        const { projectId, environmentId } = each
        const { id } = await instance.newTenant({ place: each })
        for (let i = 0; i < 10; i++) {
          await changeEnvironment(administration, projectId, environmentId, { name: `e${i}` })
          await changeTenant(administration, each, id, { name: `t${i}` })
          await changeProject(administration, projectId, { name: `p${i}` })
        }
      }),
    )
    going = false
    await reading
    await read()
    expect(missed).toEqual([])
    const added = [...seen.values()].filter(({ id }) => Number(id) > first).sort((a, b) => Number(a.id) - Number(b.id))
    expect(added.length).toBeGreaterThanOrEqual(places.length * 30)
    const moments = added.map(({ at }) => at.getTime())
    expect(moments).toEqual([...moments].sort((a, b) => a - b))
  })
})
