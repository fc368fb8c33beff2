import { expect, test } from 'vitest'
import { type BannerFacts, banner, bannerJson } from '../../src/banner.ts'
import { FIRST_START as first } from '../support/banner.ts'

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
