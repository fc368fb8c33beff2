import { expect, test } from 'vitest'
import {
  type CatalogueEntry,
  entriesInForce,
  kindsApart,
  offeredValues,
  tenantCatalogue,
} from '../../src/tenancy/catalogue.ts'

const LICENSE = { name: 'License', endpoint: '/Licenses', attribute: 'entitlements', description: '' } as const
const entry = (value: string, rest: Partial<CatalogueEntry> = {}): CatalogueEntry => ({
  ...{ kind: 'License', value, displayName: value, description: '', supported: true, contains: [] },
  ...{ created: 1, modified: 1, ...rest },
})
const NOTHING = { values: () => [], entries: async () => [] }

test('tenants that share a catalogue share what is made of it, and nothing reads the entries until they are asked for', () => {
  const shared = [LICENSE]
  const unread = {
    values: () => expect.unreachable('values were read'),
    entries: () => expect.unreachable('entries were read'),
  }
  const all = Array.from({ length: 10_000 }, () => tenantCatalogue(shared, undefined, unread))
  expect(new Set(all.map((each) => each?.types)).size).toBe(1)
  expect(new Set(all.map((each) => each?.byEndpoint)).size).toBe(1)
  expect([...(all[0]?.byEndpoint.keys() ?? [])]).toEqual(['Licenses'])
})

test('where nobody has published anything there is no catalogue; where one is withdrawn there is one with nothing in it', () => {
  expect(tenantCatalogue(undefined, undefined, NOTHING)).toBeUndefined()
  expect(tenantCatalogue([], undefined, NOTHING)).toMatchObject({ types: [], checked: new Set() })
})

test('the entries of a tenant stand over those of the same value, in any letter case', () => {
  const found = entriesInForce([entry('a'), entry('b')], [entry('A', { displayName: 'own' }), entry('c')])
  expect(found.map(({ value }) => value)).toEqual(['b', 'A', 'c'])
  expect(offeredValues([LICENSE], [entry('A'), entry('x', { kind: 'Nothing' })])).toEqual(
    new Map([['a', { value: 'A', attribute: 'entitlements', supported: true }]]),
  )
})

test('kinds share all of name, endpoint and attribute, or neither name nor endpoint', () => {
  const other = (rest: object) => [{ ...LICENSE, ...rest }]
  expect(kindsApart([LICENSE], other({ name: 'Seat', endpoint: '/Seats' }))).toBeUndefined()
  expect(kindsApart([LICENSE], other({ name: 'license', endpoint: '/licenses', description: 'x' }))).toBeUndefined()
  for (const rest of [{ name: 'Seat' }, { endpoint: '/Seats' }, { attribute: 'roles' }])
    expect(kindsApart([LICENSE], other(rest))).toHaveLength(2)
})
