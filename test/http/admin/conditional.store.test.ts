import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { openAdminApi, type TestAdminApi } from '../../support/admin-api.ts'
import { openDatabases } from '../../support/engines.ts'

// Two instances, where the engine has more than one connection; on the embedded one both work on the same.
let databases: readonly [Database, ...Database[]]
let api: TestAdminApi
let other: TestAdminApi
beforeAll(async () => {
  databases = await openDatabases()
  api = await openAdminApi(databases[0])
  other = await openAdminApi(databases[1] ?? databases[0])
  await api.send('POST', '/projects', { key: 'acme' })
  await api.send('POST', '/projects/acme/environments', { key: 'prod' })
  await api.send('POST', `${E}/tenants`, { key: 'globex' })
})
afterAll(async () => {
  await other.close()
  await api.close()
  for (const database of databases) await database.close()
})

const E = '/projects/acme/environments/prod'
const T = `${E}/tenants/globex`
const URL = 'https://hooks.example.com/in'

interface Problem {
  readonly status: number
  readonly detail: string
  readonly changed?: readonly { readonly path: string; readonly now: unknown }[]
}
const etagOf = async (path: string) => (await api.send('GET', path)).headers.get('ETag') ?? ''
const write = (method: string, path: string, body: unknown, tag?: string, by = api) =>
  by.send<Problem>(method, path, body, by.adminKey, tag === undefined ? {} : { 'If-Match': tag })
const made = async (path: string, body: object) => (await api.send<{ id: string }>('POST', path, body)).body.id

const extension = (description: string) => ({
  schema: {
    ...{ id: 'urn:example:Badge', name: 'Badge', description },
    attributes: [{ name: 'number', type: 'string', multiValued: false }],
  },
  resourceType: 'User',
})

/** Each resource: where it is, two changes that differ, and what a refusal of the second says. */
type Case = readonly [name: string, at: () => Promise<string>, method: string, a: object, b: object, changed: object]
const CASES: readonly Case[] = [
  ['project', async () => '/projects/acme', 'PATCH', { name: 'A' }, { name: 'B' }, { path: 'name', now: 'A' }],
  [
    'environment',
    async () => E,
    'PATCH',
    { settings: { mode: 'strict' } },
    { settings: { mode: null } },
    { path: 'settings.mode', now: 'strict' },
  ],
  [
    'tenant',
    async () => T,
    'PATCH',
    { settings: { roleRules: [{ everyGroup: true }] } },
    { settings: { roleRules: [] } },
    { path: 'settings.roleRules', now: [{ everyGroup: true }] },
  ],
  [
    'API key',
    async () => `${T}/api-keys/${await made(`${T}/api-keys`, { name: 'k', permissions: ['admin'] })}`,
    'PATCH',
    { tokensMayMintAdminKeys: true },
    { tokensMayMintAdminKeys: false },
    { path: 'tokensMayMintAdminKeys', now: true },
  ],
  [
    'webhook',
    async () => `${T}/webhooks/${await made(`${T}/webhooks`, { url: URL })}`,
    'PATCH',
    { events: ['user.*'] },
    { events: ['group.*'] },
    { path: 'events', now: ['user.*'] },
  ],
  [
    'stream',
    async () => `${T}/streams/${await made(`${T}/streams`, { method: 'poll', audience: 'urn:a' })}`,
    'PATCH',
    { audience: 'urn:b' },
    { audience: 'urn:c' },
    { path: 'audience', now: 'urn:b' },
  ],
  [
    'schema',
    async () => {
      await api.send('PUT', `${T}/schema-extensions/urn:example:Badge`, extension('first'))
      return `${T}/schema-extensions/urn:example:Badge`
    },
    'PUT',
    extension('second'),
    extension('third'),
    { path: 'version', now: 2 },
  ],
]

describe.each(CASES)('a change of a %s', (_, at, method, a, b, changed) => {
  test('is refused where somebody else has changed it since, and the refusal shows what', async () => {
    const path = await at()
    const tag = await etagOf(path)
    expect(tag).toMatch(/^"[\w.-]+"$/)
    const first = await write(method, path, a, tag)
    expect(first.status).toBe(200)
    const late = await write(method, path, b, tag, other)
    expect(late).toMatchObject({ status: 412, body: { changed: expect.arrayContaining([changed]) } })
    const path412 = (changed as { path: string }).path
    expect(late.body.detail).toContain(path412)
    // Nothing was done by it, and the answer of the first change has the tag of what there is.
    expect(await etagOf(path)).toBe(first.headers.get('ETag'))
    expect((await write(method, path, b, await etagOf(path), other)).status).toBe(200)
  })

  test('takes one of several tags, any state for *, and no tag that is none', async () => {
    const path = await at()
    expect((await write(method, path, a, `"other", ${await etagOf(path)}`)).status).toBe(200)
    expect((await write(method, path, b, '*')).status).toBe(200)
    expect((await write(method, path, a, 'no quotes')).status).toBe(400)
    expect((await write(method, path, a, '"other"')).status).toBe(412)
  })

  test('a reader who has it gets 304', async () => {
    const path = await at()
    await write(method, path, b)
    const tag = await etagOf(path)
    const ask = (known: string) => api.send('GET', path, undefined, api.adminKey, { 'If-None-Match': known })
    const same = await ask(`"x", ${tag}`)
    expect([same.status, same.body, same.headers.get('ETag')]).toEqual([304, null, tag])
    expect((await ask('"x"')).status).toBe(200)
    await write(method, path, a)
    expect((await ask(tag)).status).toBe(200)
  })

  test('of eight at the same time with the same tag one is done, over two instances', async () => {
    const path = await at()
    await write(method, path, b)
    for (let round = 0; round < 5; round++) {
      const tag = await etagOf(path)
      const mine = round % 2 === 0 ? a : b
      const body = method === 'PUT' ? extension(`round ${round}`) : mine
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, n) => write(method, path, body, tag, n % 2 === 0 ? api : other)),
      )
      const done = answers.filter(({ status }) => status === 200)
      expect(done).toHaveLength(1)
      expect(answers.filter(({ status }) => status === 412)).toHaveLength(7)
    }
  })
})

test('a deletion is refused in the same way, and nothing is deleted', async () => {
  await api.send('POST', `${E}/tenants`, { key: 'leaving' })
  const gone = [
    `${E}/tenants/leaving`,
    `${T}/webhooks/${await made(`${T}/webhooks`, { url: URL })}`,
    `${T}/streams/${await made(`${T}/streams`, { method: 'poll', audience: 'urn:a' })}`,
    `${T}/api-keys/${await made(`${T}/api-keys`, { name: 'k' })}`,
  ]
  await api.send('PUT', `${T}/resource-types/Device`, {
    resourceType: { name: 'Device', endpoint: '/Devices', description: 'x', schema: 'urn:example:Device' },
    schemas: [
      {
        ...{ id: 'urn:example:Device', name: 'Device', description: 'x' },
        attributes: [{ name: 'serial', type: 'string', multiValued: false }],
      },
    ],
  })
  for (const path of [...gone, `${T}/resource-types/Device`]) {
    const tag = await etagOf(path)
    expect((await write('DELETE', path, undefined, '"of-another-state"')).status, path).toBe(412)
    expect(await etagOf(path), path).toBe(tag)
    expect((await write('DELETE', path, undefined, tag)).status, path).toBe(204)
  }
})

test('what the environment changes is a change of its tenants, which show it', async () => {
  const tag = await etagOf(T)
  await api.send('PATCH', E, { settings: { keepDeletedDays: 77 } })
  const late = await write('PATCH', T, { name: 'Globex' }, tag)
  expect(late).toMatchObject({ status: 412, body: { changed: [{ path: 'settings.keepDeletedDays', now: 77 }] } })
})

test('a tag stays the same while a thing is used, and shows no secret', async () => {
  const key = await api.send<{ id: string; key: string }>('POST', `${T}/api-keys`, {
    name: 'k',
    permissions: ['admin'],
  })
  const at = `${T}/api-keys/${key.body.id}`
  const tag = await etagOf(at)
  expect(key.headers.get('ETag')).toBe(tag)
  await databases[0].run('update api_key_secrets set last_used_at = now() where key_id = $1::text', [key.body.id])
  const webhook = await made(`${T}/webhooks`, { url: URL })
  const [hook, before] = [`${T}/webhooks/${webhook}`, await etagOf(`${T}/webhooks/${webhook}`)]
  await databases[0].run('update webhook_endpoints set failures = 3, failing_since = now() where id = $1::uuid', [
    webhook,
  ])
  expect([await etagOf(at), await etagOf(hook)]).toEqual([tag, before])
  const rotated = await api.send('POST', `${hook}/rotate-secret`, { keepHours: 0 })
  expect(rotated.headers.get('ETag')).not.toBe(before)
  expect((await write('POST', `${hook}/rotate-secret`, { keepHours: 0 }, before)).status).toBe(412)
})

test('the rotation of a key that somebody has revoked or rotated meanwhile is refused', async () => {
  const at = `${T}/api-keys/${await made(`${T}/api-keys`, { name: 'k' })}`
  const tag = await etagOf(at)
  expect((await write('POST', `${at}/rotation`, {}, tag)).status).toBe(201)
  const late = await write('DELETE', `${at}/rotation`, undefined, tag, other)
  expect(late).toMatchObject({
    status: 412,
    body: { changed: expect.arrayContaining([{ path: 'secrets', now: 'version 2' }]) },
  })
})
