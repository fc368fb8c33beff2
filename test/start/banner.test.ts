import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { type BannerFacts, banner, bannerJson } from '../../src/banner.ts'

const first: BannerFacts = {
  origin: 'http://localhost:8080',
  project: 'default',
  environment: 'dev',
  tenant: 'main',
  apiKey: 'rck_api',
  adminKey: 'rck_admin',
  keysExpireAt: new Date('2027-11-25T10:00:00Z'),
  keysFile: undefined,
  adminKeyConfigured: false,
  databaseUrl: undefined,
  dataDir: './data',
}
const rows = (facts: BannerFacts) =>
  banner(facts, { colour: false })
    .split('\n')
    .map((line) => /^(\S+(?: \S+)*) {2,}(\S.*)$/.exec(line))
    .flatMap((match) => (match === null ? [] : [[match[1], match[2]]]))

test('a first start shows the three base URLs, the keys and the store', () => {
  expect(rows(first)).toEqual([
    ['SCIM base URL', 'http://localhost:8080/scim/v2/default/dev'],
    ['SCIM base URL', 'http://localhost:8080/scim/v2/default/dev/v2'],
    ['SCIM base URL', 'http://localhost:8080/scim/v2/default/dev/v2/main'],
    ['API key', 'rck_api'],
    ['Admin key', 'rck_admin'],
    ['Good until', expect.stringContaining('2027-11-25')],
    ['Console', 'http://localhost:8080/console, by the admin key'],
    ['Store', 'embedded, ./data'],
    ['Durability', expect.stringContaining('one process')],
  ])
})

test('programs get the same as JSON, and the database password neither', () => {
  expect(JSON.parse(bannerJson(first))).toEqual({
    ...{ origin: 'http://localhost:8080', apiKey: 'rck_api', adminKey: 'rck_admin', store: './data' },
    scimBaseUrls: rows(first)
      .slice(0, 3)
      .map(([, url]) => url),
    ...{ keysExpireAt: '2027-11-25T10:00:00.000Z', keysFile: null },
  })
  const gone = { apiKey: undefined, adminKey: undefined, keysExpireAt: undefined }
  const later = { ...first, ...gone, databaseUrl: 'postgres://u:hush@db:5432/rollcall' }
  expect(JSON.parse(bannerJson(later))).toMatchObject({ apiKey: null, adminKey: null, keysExpireAt: null })
  expect(bannerJson(later)).not.toContain('hush')
})

test('a later start says that the keys were shown before, and never shows the database password', () => {
  const facts = {
    ...first,
    apiKey: undefined,
    adminKey: undefined,
    keysExpireAt: undefined,
    databaseUrl: 'postgres://me:hush@db.example:5433/roll?x=y',
  }
  expect(rows(facts).slice(3)).toEqual([
    ['API key', 'shown once, at the first start'],
    ['Admin key', 'shown once, at the first start'],
    ['Console', 'http://localhost:8080/console, by the admin key'],
    ['Store', 'PostgreSQL, db.example:5433/roll'],
  ])
  expect(rows({ ...facts, adminKeyConfigured: true })[4]).toEqual(['Admin key', 'the one in ADMIN_KEY'])
  expect(banner(facts, { colour: true })).not.toContain('hush')
})

test('where keys are in a file, its path stands in a row and a member of its own, and no key anywhere', () => {
  const facts = { ...first, apiKey: undefined, adminKey: undefined, keysFile: '/data/rollcall-first-keys' }
  expect(rows(facts).slice(3, 7)).toEqual([
    ['API key', 'in the keys file: read it, then delete it'],
    ['Admin key', 'in the keys file: read it, then delete it'],
    ['Keys file', '/data/rollcall-first-keys'],
    ['Good until', expect.stringContaining('2027-11-25')],
  ])
  expect(JSON.parse(bannerJson(facts))).toMatchObject({
    ...{ apiKey: null, adminKey: null, keysFile: '/data/rollcall-first-keys' },
    keysExpireAt: '2027-11-25T10:00:00.000Z',
  })
})

test('colours are for terminals', () => {
  expect(banner(first, { colour: false })).not.toContain('\u001b')
  expect(banner(first, { colour: true })).toContain('\u001b[')
})

const curlIsThere = spawnSync('curl', ['--version']).status === 0

// Without curl nobody can paste the command; what it says is tested above.
test.skipIf(!curlIsThere).each([
  ['rck_api', 'Bearer rck_api'],
  [undefined, 'Bearer from the environment'],
])('the command, pasted into a shell, creates a user with key %s', async (apiKey, authorization) => {
  const seen: {
    url?: string | undefined
    authorization?: string | undefined
    type?: string | undefined
    body: string
  }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const { authorization, 'content-type': type } = request.headers
      seen.push({ url: `${request.method} ${request.url}`, authorization, type, body })
      response.end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const text = banner({ ...first, apiKey, origin: `http://127.0.0.1:${port}` }, { colour: false })
  const command = text.slice(text.indexOf('curl '))
  const shell = spawn('sh', ['-c', command], { env: { ...process.env, ROLLCALL_KEY: 'from the environment' } })
  await new Promise((resolve) => shell.once('close', resolve))
  server.close()
  expect(seen).toEqual([
    { url: 'POST /scim/v2/default/dev/Users', authorization, type: 'application/scim+json', body: expect.any(String) },
  ])
  expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({ userName: 'ada@example.com' })
})
