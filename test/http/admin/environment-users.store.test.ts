import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApiKey } from '../../../src/administration/keys/api-keys.ts'
import { CONFIGURED_ADMIN } from '../../../src/auth/principal.ts'
import { type Database, READERS } from '../../../src/db/database.ts'
import { findUsers } from '../../../src/repositories/control/finding/find-users.ts'
import { administrationOn } from '../../support/administration.ts'
import { openTestDatabase } from '../../support/engines.ts'
import type { TestTenant } from '../../support/gateway.ts'
import { type Instance, idIn, ORIGIN, openInstance, type Place, userBody } from '../../support/instances.ts'
import { recordStatements } from '../../support/statements.ts'

let database: Database
let instance: Instance
let place: Place
let tenants: readonly [TestTenant, TestTenant, TestTenant]
const ids = new Map<string, string>()
beforeAll(async () => {
  database = await openTestDatabase()
  instance = await openInstance(database)
  place = await instance.newPlace()
  const other = await instance.newEnvironment(place)
  const made = [await instance.newTenant({ place }), await instance.newTenant({ place })]
  tenants = [...made, await instance.newTenant({ place: other })] as unknown as typeof tenants
  for (const [n, tenant] of tenants.entries()) {
    const emails = [{ value: 'Ada@Acme.example', primary: true }, { value: `ada${n}@home.example` }]
    const rest = { externalId: '00u1', emails, password: 'Correct-Horse-1' }
    ids.set(`ada${n}`, idIn(await tenant.scim('POST', '/Users', userBody('ada@acme.example', rest))))
    ids.set(`bob${n}`, idIn(await tenant.scim('POST', '/Users', userBody(`bob${n}`, { externalId: '00u1' }))))
  }
})
afterAll(async () => {
  await instance.close()
})

interface Found {
  readonly items: readonly { readonly tenant: { id: string; key: string }; readonly user: Record<string, unknown> }[]
  readonly next: string | null
}

async function ask(query: string): Promise<{ status: number; body: Found }> {
  const { base, ...scope } = place
  const permissions = ['directory:read'] as const
  const administration = administrationOn(database)
  const at = { kind: 'environment', ...scope } as const
  const { key } = await createApiKey(administration, at, { name: 'app', permissions }, CONFIGURED_ADMIN)
  const [project, environment] = base.split('/').slice(-2)
  const url = `${ORIGIN}/api/v1/projects/${project}/environments/${environment}/users?${query}`
  const response = await instance.send(new Request(url, { headers: { Authorization: `Bearer ${key}` } }))
  return { status: response.status, body: JSON.parse(await response.text()) }
}
const found = async (query: string) => {
  const { status, body } = await ask(query)
  expect([status, body.next]).toEqual([200, null])
  return body.items.map(({ user }) => user.id).sort()
}
const named = (...names: readonly string[]) => names.map((name) => ids.get(name)).sort()

describe('people of an environment', () => {
  test('are found in all of its tenants by what names them, and in no others', async () => {
    expect(await found('userName=ADA@acme.example')).toEqual(named('ada0', 'ada1'))
    expect(await found('email=ada@ACME.example')).toEqual(named('ada0', 'ada1'))
    expect(await found('email=ada1@home.example')).toEqual(named('ada1'))
    expect(await found('email=ada2@home.example')).toEqual([])
    expect(await found('externalId=00u1')).toEqual(named('ada0', 'ada1', 'bob0', 'bob1'))
    expect(await found('externalId=00U1')).toEqual([])
    expect(await found('externalId=00u1&userName=bob0')).toEqual(named('bob0'))
    expect(await found('externalId=00u1&email=ada@acme.example')).toEqual(named('ada0', 'ada1'))
    // What would end a text in a path of PostgreSQL.
    expect(await found(`email=${encodeURIComponent('a"b\\c$.*||@x')}`)).toEqual([])
  })

  test('come with their tenant, as SCIM has them, without secrets', async () => {
    const { body } = await ask('email=ada0@home.example')
    expect(body.items).toMatchObject([
      {
        tenant: { id: tenants[0].id, key: tenants[0].name },
        user: { userName: 'ada@acme.example', externalId: '00u1', meta: { resourceType: 'User' } },
      },
    ])
    expect(JSON.stringify(body)).not.toContain('password')
  })

  test('come page by page, each once', async () => {
    const seen: unknown[] = []
    for (let after = ''; ; ) {
      const { status, body } = await ask(`externalId=00u1&limit=1${after}`)
      expect(status).toBe(200)
      seen.push(...body.items.map(({ user }) => user.id))
      if (body.next === null) break
      after = `&after=${body.next}`
    }
    expect([...seen].sort()).toEqual(named('ada0', 'ada1', 'bob0', 'bob1'))
  })

  test.each(['', 'limit=5', 'email=', 'userName=a%00', 'email=a&after=x', 'email=a&limit=101'])(
    'are not looked for by "%s"',
    async (query) => {
      expect((await ask(query)).status).toBe(400)
    },
  )

  test('are found in 1,200 tenants by three statements that name them, and three that look', async () => {
    const wide = await instance.newPlace()
    await database.run(
      `insert into tenants (id, environment_id, key, key_folded, name)
       select gen_random_uuid(), $1::uuid, 'w' || n, 'w' || n, '' from generate_series(1, 1200) n`,
      [wide.environmentId],
    )
    for (const wanted of [{ userName: 'ada' }, { email: 'ada@acme.example' }]) {
      const recorder = recordStatements(database)
      const look = () => findUsers(recorder.database, wide.environmentId, wanted, undefined, 10, READERS)
      const { result, statements } = await recorder.during(look)
      expect(result).toEqual({ users: [], searchedTo: undefined })
      expect(statements).toHaveLength(6)
    }
  })
})
