import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MODES, type Mode } from '../../../src/scim/deviations/mode.ts'
import { ENTERPRISE_USER_SCHEMA, GROUP_SCHEMA, USER_SCHEMA } from '../../../src/scim/urn.ts'
import { adminOf, BADGE, badgeSchema } from '../../provisioning/registered.ts'
import { type Gateway, openGateway, type Scim } from '../../support/gateway.ts'
import { groupBody, idIn, json, patchBody, searchBody, userBody } from '../../support/instances.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
  const made = await adminOf(gateway)('PUT', `/schema-extensions/${BADGE}`, {
    schema: badgeSchema,
    resourceType: 'User',
  })
  expect(made.status).toBeLessThan(300)
})
afterAll(async () => {
  expect(gateway.errors).toEqual([])
  await gateway.close()
})

/** What a client sends that suites and clients of others were seen to send, for a user who is there, and the modes that take it. */
type Sent = readonly [what: string, takenBy: readonly Mode[], send: (scim: Scim, id: string) => ReturnType<Scim>]

const charset = (name: string) => ({ 'Content-Type': `application/scim+json; charset=${name}` })
const SENT: readonly Sent[] = [
  [
    'C-01 data of an extension that schemas does not name',
    ['lenient', 'standard', 'interop'],
    (scim) => scim('POST', '/Users', userBody('bo', { [ENTERPRISE_USER_SCHEMA]: { department: 'Sales' } })),
  ],
  [
    'PUT-06 a PUT with another id in its body',
    ['lenient', 'standard'],
    (scim, id) => scim('PUT', `/Users/${id}`, userBody('ada', { id: 'other' })),
  ],
  [
    'P-11 startIndex and count as text',
    ['lenient'],
    (scim) => scim('POST', '/Users/.search', searchBody({ startIndex: '1', count: '10' })),
  ],
  [
    'P-11 names of attributes as one text',
    ['lenient'],
    (scim) => scim('POST', '/Users/.search', searchBody({ attributes: 'userName,title' })),
  ],
  [
    'Q-09 a boolean as text in a filter',
    [],
    (scim) => scim('GET', `/Users?filter=${encodeURIComponent('active eq "true"')}`),
  ],
  ['H-04 ASCII that is called so', ['lenient'], (scim) => scim('POST', '/Users', userBody('cy'), charset('us-ascii'))],
  [
    'H-04 ASCII that is called ISO-8859-1',
    ['lenient'],
    (scim) => scim('POST', '/Users', userBody('di'), charset('ISO-8859-1')),
  ],
  ['H-04 more than ASCII under that name', [], (scim) => scim('POST', '/Users', userBody('dé'), charset('us-ascii'))],
  ['TEN-08 two slashes behind the base URL', ['lenient'], (scim) => scim('GET', '//Users')],
  [
    'PAT-11 a list of one value for a value path that selects one',
    ['lenient'],
    (scim, id) => {
      const value = [{ value: 'new@x.example', type: 'work' }]
      return scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'emails[type eq "work"]', value }))
    },
  ],
  [
    'PAT-31 a list of one object without a path',
    ['lenient'],
    (scim, id) => scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', value: [{ title: 'Lead' }] })),
  ],
  [
    'A-08 an integer as text',
    ['lenient'],
    (scim) =>
      scim('POST', '/Users', { ...userBody('ed'), schemas: [USER_SCHEMA, BADGE], [BADGE]: { badgeNumber: '3' } }),
  ],
]

describe.each(MODES)('in mode %s', (mode) => {
  test('each stumble of a client is taken where the mode has that deviation, and is refused in words elsewhere', async () => {
    const { scim } = await gateway.newTenant({ settings: { mode } })
    const id = idIn(await scim('POST', '/Users', userBody('ada', { emails: [{ value: 'a@x.example', type: 'work' }] })))
    for (const [what, takenBy, send] of SENT) {
      const answer = await send(scim, id)
      const taken = answer.status < 300
      expect([what, taken, answer.text]).toEqual([what, takenBy.includes(mode), answer.text])
      if (!taken) expect([what, json(answer).detail]).toEqual([what, expect.stringMatching(/\w+ \w+/)])
    }
    const { title, emails } = json(await scim('GET', `/Users/${id}`))
    if (mode === 'lenient')
      expect({ title, emails }).toMatchObject({ title: 'Lead', emails: [{ value: 'new@x.example' }] })
    if (mode === 'lenient')
      expect(json(await scim('GET', `/Users?filter=${encodeURIComponent('userName eq "ed"')}`))).toMatchObject({
        Resources: [{ [BADGE]: { badgeNumber: 3 } }],
      })
  })

  test('G-01 a group without members shows that it has none, however it is read', async () => {
    const { scim } = await gateway.newTenant({ settings: { mode } })
    const made = await scim('POST', '/Groups', groupBody('G'))
    const id = idIn(made)
    const seen = [
      json(made).members,
      json(await scim('GET', `/Groups/${id}`)).members,
      (json(await scim('GET', '/Groups')).Resources as { members?: unknown }[])[0]?.members,
      json(await scim('PUT', `/Groups/${id}`, { schemas: [GROUP_SCHEMA], displayName: 'H' })).members,
    ]
    expect(seen).toEqual(seen.map(() => []))
    expect(json(await scim('GET', `/Groups/${id}?excludedAttributes=members`))).not.toHaveProperty('members')
  })

  test('C-07 Location stands beside Content-Location on GET, PUT and PATCH', async () => {
    const { scim, base } = await gateway.newTenant({ settings: { mode } })
    const id = idIn(await scim('POST', '/Users', userBody('ada')))
    const at = `${base}/Users/${id}`
    for (const answer of [
      await scim('GET', `/Users/${id}`),
      await scim('PUT', `/Users/${id}`, userBody('ada', { title: 'a' })),
      await scim('PATCH', `/Users/${id}`, patchBody({ op: 'replace', path: 'title', value: 'b' })),
    ])
      expect([answer.status, answer.headers.get('location'), answer.headers.get('content-location')]).toEqual([
        200,
        at,
        at,
      ])
  })

  test('D-03 ServiceProviderConfig says what length of filter is taken, under a URN that schemas names, to who asks', async () => {
    const { scim } = await gateway.newTenant({ settings: { mode } })
    const plain = json(await scim('GET', '/ServiceProviderConfig'))
    expect(Object.keys(plain).filter((name) => name.includes(':'))).toEqual([])
    expect(plain).not.toHaveProperty('interopProfileConformant')
    const urn = 'urn:rollcall:scim:schemas:extension:1.0:ServiceProviderConfig'
    const asked = json(await scim('GET', `/ServiceProviderConfig?attributes=${urn}`))
    expect(asked.schemas).toContain(urn)
    const { maxFilterLength } = asked[urn] as { maxFilterLength: number }
    const searched = async (length: number) => {
      const text = (rest: string) => `userName eq "${rest}"`
      const filter = text('x'.repeat(length - text('').length))
      return (await scim('POST', '/Users/.search', searchBody({ filter }))).status
    }
    expect([await searched(maxFilterLength), await searched(maxFilterLength + 1)]).toEqual([200, 400])
    expect(json(await scim('GET', `/Schemas/${urn}`)).id).toBe(urn)
  })
})
