import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXIT } from '../../src/cli/failure.ts'
import type { Schemas } from '../../src/client/index.ts'
import { rollcall, rollcallJson } from '../support/cli.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'
import { json, userBody } from '../support/instances.ts'

type Shown = Schemas['Catalogue'] & { readonly etag: string }

const folder = mkdtempSync(join(tmpdir(), 'rollcall-catalogue-'))
const file = join(folder, 'catalogue.json')
let gateway: Gateway
let env: Record<string, string>
beforeAll(async () => {
  gateway = await openGateway()
  env = {
    ...{ ROLLCALL_PROJECT: gateway.project, ROLLCALL_ENVIRONMENT: gateway.environment },
    ...{ ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey },
  }
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await gateway.close()
})

test.each(['an environment', 'a tenant'])(
  'the catalogue of %s is published, gets an entry, loses one and is withdrawn',
  async (of) => {
    const tenant = await gateway.newTenant()
    const here = of === 'a tenant' ? ['--tenant', tenant.name] : []
    const catalogue = <T>(...args: string[]) => rollcallJson<T>(env, 'catalogue', ...args, ...here)
    const refused = async (...args: string[]) => (await rollcall(env, 'catalogue', ...args, ...here)).exitCode
    const values = async () => (await catalogue<Shown>('show')).entries.map(({ value }) => value)
    expect(await refused('show')).toBe(EXIT.refused)

    const kinds = [{ name: 'License', endpoint: '/Licenses' }]
    writeFileSync(file, JSON.stringify({ kinds, entries: [{ kind: 'Role', value: 'admin', displayName: 'Admin' }] }))
    expect(await catalogue('publish', file)).toMatchObject({ version: 1, kinds })
    expect(await catalogue('publish', file)).toMatchObject({ version: 1 })
    const { etag } = await catalogue<Shown>('show')
    await catalogue('set', 'seat', 'Seat', '--kind', 'License', '--description', 'For a year')
    expect(await refused('publish', file, '--if-match', etag)).toBe(EXIT.refused)
    expect((await rollcall(env, 'catalogue', 'show', ...here)).out).toMatch(/License +seat +Seat +yes +For a year/)

    // Identity providers find it in the tenant, and only what is in it can be given.
    const found = json(await tenant.scim('GET', '/Licenses')) as {
      readonly Resources: readonly { readonly id: string }[]
    }
    expect(found.Resources.map(({ id }) => id)).toEqual(['seat'])
    const give = (role: string) => tenant.scim('POST', '/Users', userBody(`has-${role}`, { roles: [{ value: role }] }))
    expect([(await give('admin')).status, (await give('owner')).status]).toEqual([201, 400])

    await catalogue('set', 'owner', 'Owner', '--contains', 'admin')
    expect((await give('owner')).status).toBe(201)
    expect(await catalogue('remove', 'seat')).toEqual({ value: 'seat', removed: true })
    expect(await refused('remove', 'seat')).toBe(EXIT.refused)
    expect((await values()).toSorted()).toEqual(['admin', 'owner'])
    expect(await catalogue('withdraw')).toEqual({ withdrawn: true })
    expect((await tenant.scim('GET', '/Licenses')).status).toBe(404)
  },
)

test('what is no JSON, or no catalogue, is not published', async () => {
  writeFileSync(file, '{"entries": [')
  const unread = await rollcall(env, 'catalogue', 'publish', file)
  expect([unread.exitCode, unread.err]).toEqual([EXIT.usage, expect.stringContaining(`${file} cannot be read as JSON`)])
  writeFileSync(file, '{"entries": [{"kind": "Role"}]}')
  const wrong = await rollcall(env, 'catalogue', 'publish', file)
  expect([wrong.exitCode, wrong.err]).toEqual([EXIT.refused, expect.stringMatching(/value|displayName/)])
})
