import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminClient } from '../../src/client/index.ts'
import { MODES, type Mode } from '../../src/scim/deviations/mode.ts'
import { BULK_REQUEST, GROUP_SCHEMA, PATCH_OP, USER_SCHEMA } from '../../src/scim/urn.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'

interface Member {
  readonly value: string
  readonly display?: string
}

const patch = (...Operations: object[]) => ({ schemas: [PATCH_OP], Operations })
const add = (...value: Member[]) => patch({ op: 'add', path: 'members', value })

describe('members that are nobody here, where the tenant defers the check (G-05)', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await openGateway()
  })
  afterAll(() => gateway.close())

  const tenantIn = (mode: Mode) => gateway.newTenant({ settings: { mode, deferReferenceChecks: true } })
  const newGroup = async (tenant: TestTenant, members?: Member[]): Promise<string> => {
    const body = { schemas: [GROUP_SCHEMA], displayName: `g-${crypto.randomUUID()}`, ...(members ? { members } : {}) }
    const answer = await tenant.scim('POST', '/Groups', body)
    expect(answer.status).toBe(201)
    return (answer.body as { id: string }).id
  }
  const shown = async (tenant: TestTenant, id: string) => {
    const { body, headers } = await tenant.scim('GET', `/Groups/${id}`)
    const members = (body as { members?: Member[] }).members ?? []
    return { version: headers.get('etag'), members: members.map(({ value, display }) => ({ value, display })) }
  }

  test.each<Mode>(['lenient', 'standard'])('G-05 are kept and shown as they were sent: %s', async (mode) => {
    const tenant = await tenantIn(mode)
    const unknown = crypto.randomUUID()
    const id = await newGroup(tenant, [{ value: 'from-elsewhere', display: 'Ann' }])
    expect((await tenant.scim('PATCH', `/Groups/${id}`, add({ value: unknown }))).status).toBe(200)
    const { members } = await shown(tenant, id)
    expect(members).toHaveLength(2)
    expect(members).toEqual(
      expect.arrayContaining([
        { value: 'from-elsewhere', display: 'Ann' },
        { value: unknown, display: undefined },
      ]),
    )
  })

  test.each<Mode>(['strict', 'interop'])('G-05 are refused all the same: %s', async (mode) => {
    const tenant = await tenantIn(mode)
    const body = { schemas: [GROUP_SCHEMA], displayName: 'g', members: [{ value: 'from-elsewhere' }] }
    const answer = await tenant.scim('POST', '/Groups', body)
    expect({ status: answer.status, body: answer.body }).toMatchObject({
      status: 400,
      body: { scimType: 'invalidValue' },
    })
  })

  test('come and go beside real members, one version and one event at a time', async () => {
    const tenant = await tenantIn('lenient')
    const user = await tenant.scim('POST', '/Users', { schemas: [USER_SCHEMA], userName: 'ann' })
    const ann = (user.body as { id: string }).id
    const id = await newGroup(tenant)
    const change = async (body: object) => (await tenant.scim('PATCH', `/Groups/${id}`, body)).headers.get('etag')

    expect(await change(add({ value: 'x' }, { value: 'y' }, { value: ann }))).toBe('W/"2"')
    expect(await change(add({ value: 'x' }))).toBe('W/"2"')
    expect(await change(patch({ op: 'remove', path: 'members[value eq "x"]' }))).toBe('W/"3"')
    expect(await shown(tenant, id)).toEqual({
      version: 'W/"3"',
      members: [
        { value: ann, display: 'ann' },
        { value: 'y', display: undefined },
      ],
    })
    expect(await change(patch({ op: 'replace', path: 'members', value: [{ value: 'z' }] }))).toBe('W/"4"')
    expect((await shown(tenant, id)).members).toEqual([{ value: 'z', display: undefined }])
    expect(await change(patch({ op: 'remove', path: 'members' }))).toBe('W/"5"')
    expect((await shown(tenant, id)).members).toEqual([])

    const events = await gateway.database.run<{ type: string; changes: string }>(
      'select type, changes from events where tenant_id = $1::uuid and resource_id = $2::uuid order by seq',
      [tenant.id, id],
    )
    expect(events.map(({ type, changes }) => [type, JSON.parse(changes).members?.length])).toEqual([
      ['group.created', undefined],
      ['group.member_added', 3],
      ['group.member_removed', 1],
      ['group.member_added', 1],
      ['group.member_removed', 2],
      ['group.member_removed', 1],
    ])
    expect((await tenant.scim('DELETE', `/Groups/${id}`)).status).toBe(204)
  })

  describe('POST, bulk and import give the same answer', () => {
    const UNKNOWN = 'from-elsewhere'
    const newBody = () => ({
      ...{ schemas: [GROUP_SCHEMA], displayName: `g-${crypto.randomUUID()}`, members: [{ value: UNKNOWN }] },
    })
    /** Each makes a group whose only member the tenant does not have, and gives the status and the group's id. */
    const DOORS = {
      async post(tenant: TestTenant) {
        const { status, body } = await tenant.scim('POST', '/Groups', newBody())
        return { status, id: (body as { id?: string }).id }
      },
      async bulk(tenant: TestTenant) {
        const Operations = [{ method: 'POST', path: '/Groups', bulkId: 'g', data: newBody() }]
        const { body } = await tenant.scim('POST', '/Bulk', { schemas: [BULK_REQUEST], Operations })
        const [only] = (body as { Operations: { status: string; location?: string }[] }).Operations
        return { status: Number(only?.status), id: only?.location?.split('/').at(-1) }
      },
      async import(tenant: TestTenant) {
        const id = crypto.randomUUID()
        const { members, ...body } = newBody()
        const { response } = await adminClient({ origin: gateway.origin, key: gateway.adminKey }).POST(
          '/projects/{p}/environments/{e}/tenants/{t}/import',
          {
            params: { path: { p: gateway.project, e: gateway.environment, t: tenant.name } },
            body: {
              items: [
                { kind: 'resource', type: 'Group', resource: { ...body, id } },
                ...members.map(({ value }) => ({ kind: 'member' as const, group: id, member: value })),
              ],
            },
          },
        )
        return { status: response.status, id: response.ok ? id : undefined }
      },
    }

    test.each(MODES.flatMap((mode) => [true, false].map((deferReferenceChecks) => ({ mode, deferReferenceChecks }))))(
      'G-05 $mode, deferReferenceChecks $deferReferenceChecks',
      async (settings) => {
        const tenant = await gateway.newTenant({ settings })
        const kept = settings.deferReferenceChecks && ['lenient', 'standard'].includes(settings.mode)
        for (const [door, create] of Object.entries(DOORS)) {
          const { status, id } = await create(tenant)
          expect(status < 300 ? 'kept' : status, door).toBe(kept ? 'kept' : 400)
          const members = id === undefined ? [] : (await shown(tenant, id)).members
          expect(members, door).toEqual(kept ? [{ value: UNKNOWN, display: undefined }] : [])
        }
      },
    )
  })
})
