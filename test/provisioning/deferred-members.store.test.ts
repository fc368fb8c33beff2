import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MODES, type Mode } from '../../src/scim/deviations/mode.ts'
import { withoutDerived } from '../../src/scim/version.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'
import { importInto } from '../support/imports.ts'
import { bulkBody, groupBody, idIn, patchBody, userBody } from '../support/instances.ts'

interface Member {
  readonly value: string
  readonly display?: string
}

const add = (...value: Member[]) => patchBody({ op: 'add', path: 'members', value })
const newName = () => `g-${crypto.randomUUID()}`

describe('members that the tenant does not have, where it defers the check (G-05)', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await openGateway()
  })
  afterAll(() => gateway.close())

  const tenantIn = (mode: Mode) => gateway.newTenant({ settings: { mode, deferReferenceChecks: true } })
  const newGroup = async (tenant: TestTenant, members?: Member[]): Promise<string> => {
    const answer = await tenant.scim('POST', '/Groups', { ...groupBody(newName()), ...(members ? { members } : {}) })
    expect(answer.status).toBe(201)
    return idIn(answer)
  }
  const shown = async (tenant: TestTenant, id: string) => {
    const { body, headers } = await tenant.scim('GET', `/Groups/${id}`)
    const members = (body as { members?: Member[] }).members ?? []
    return {
      version: withoutDerived(headers.get('etag') ?? ''),
      members: members.map(({ value, display }) => ({ value, display })),
    }
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
    const answer = await tenant.scim('POST', '/Groups', groupBody('g', ['from-elsewhere']))
    expect({ status: answer.status, body: answer.body }).toMatchObject({
      status: 400,
      body: { scimType: 'invalidValue' },
    })
  })

  test('come and go beside real members, one version and one event at a time', async () => {
    const tenant = await tenantIn('lenient')
    const ann = idIn(await tenant.scim('POST', '/Users', userBody('ann')))
    const id = await newGroup(tenant)
    const change = async (body: object) =>
      withoutDerived((await tenant.scim('PATCH', `/Groups/${id}`, body)).headers.get('etag') ?? '')

    expect(await change(add({ value: 'x' }, { value: 'y' }, { value: ann }))).toBe('W/"2"')
    expect(await change(add({ value: 'x' }))).toBe('W/"2"')
    expect(await change(patchBody({ op: 'remove', path: 'members[value eq "x"]' }))).toBe('W/"3"')
    expect(await shown(tenant, id)).toEqual({
      version: 'W/"3"',
      members: [
        { value: ann, display: 'ann' },
        { value: 'y', display: undefined },
      ],
    })
    expect(await change(patchBody({ op: 'replace', path: 'members', value: [{ value: 'z' }] }))).toBe('W/"4"')
    expect((await shown(tenant, id)).members).toEqual([{ value: 'z', display: undefined }])
    expect(await change(patchBody({ op: 'remove', path: 'members' }))).toBe('W/"5"')
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
    /** Each creates a group whose only member the tenant does not have, and gives the status and the group's id. */
    const WAYS = {
      async post(tenant: TestTenant) {
        const { status, body } = await tenant.scim('POST', '/Groups', groupBody(newName(), [UNKNOWN]))
        return { status, id: (body as { id?: string }).id }
      },
      async bulk(tenant: TestTenant) {
        const create = { method: 'POST', path: '/Groups', bulkId: 'g', data: groupBody(newName(), [UNKNOWN]) }
        const { body } = await tenant.scim('POST', '/Bulk', bulkBody([create]))
        const [only] = (body as { Operations: { status: string; location?: string }[] }).Operations
        return { status: Number(only?.status), id: only?.location?.split('/').at(-1) }
      },
      async import(tenant: TestTenant) {
        const id = crypto.randomUUID()
        const { response } = await importInto(gateway, tenant, [
          { kind: 'resource', type: 'Group', resource: { ...groupBody(newName()), id } },
          { kind: 'member', group: id, member: UNKNOWN },
        ])
        return { status: response.status, id: response.ok ? id : undefined }
      },
    }

    test.each(MODES.flatMap((mode) => [true, false].map((deferReferenceChecks) => ({ mode, deferReferenceChecks }))))(
      'G-05 $mode, deferReferenceChecks $deferReferenceChecks',
      async (settings) => {
        const tenant = await gateway.newTenant({ settings })
        const kept = settings.deferReferenceChecks && ['lenient', 'standard'].includes(settings.mode)
        for (const [way, create] of Object.entries(WAYS)) {
          const { status, id } = await create(tenant)
          expect(status < 300 ? 'kept' : status, way).toBe(kept ? 'kept' : 400)
          const members = id === undefined ? [] : (await shown(tenant, id)).members
          expect(members, way).toEqual(kept ? [{ value: UNKNOWN, display: undefined }] : [])
        }
      },
    )
  })
})
