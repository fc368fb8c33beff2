import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describedEvents, exampleOf, faultsOf } from '../../src/events/catalogue/index.ts'
import { EVENT_TYPES } from '../../src/events/types.ts'
import { eventsPage } from '../../src/http/events-page.tsx'
import { CATALOGUE_PAGES, cataloguePages } from '../support/event-catalogue.ts'

const described = describedEvents()

test('the catalogue has every type of event, with a schema of its own and an example that fits it', () => {
  expect(described.map(({ type }) => type)).toEqual(EVENT_TYPES)
  for (const { type, schema, example, when } of described) {
    expect(faultsOf(example as { type: string }), type).toEqual([])
    expect(schema, type).toMatchObject({
      properties: { type: { const: type } },
      required: expect.arrayContaining(['id']),
    })
    expect(when, type).toMatch(/\.$/)
  }
})

test('what is not as the catalogue says is found: another type, a member too many, and one that is missing', () => {
  const example = exampleOf('user.created')
  const { changes, ...rest } = example
  expect(faultsOf({ ...rest, type: 'user.created' } as never)).toEqual([
    expect.stringMatching(/^user\.created: changes: /),
  ])
  expect(faultsOf({ ...example, more: 1 } as never)).toHaveLength(1)
  expect(faultsOf({ ...example, changes: { ...(changes as object), more: 1 } } as never)).toHaveLength(1)
  expect(faultsOf({ ...example, type: 'user.flown' } as never)).toEqual(['user.flown: there is no such type'])
  expect(faultsOf({ ...exampleOf('user.deleted'), type: 'device.deleted' } as never)).toEqual([])
})

test('schemas that are published let later releases add members', () => {
  expect(JSON.stringify(described.map(({ schema }) => schema))).not.toContain('"additionalProperties":false')
})

test.each(Object.entries(CATALOGUE_PAGES))('the %s page in docs is what the catalogue says', (name, path) => {
  const page = readFileSync(join(import.meta.dirname, '../..', path), 'utf8')
  expect(page).toBe(cataloguePages()[name as keyof typeof CATALOGUE_PAGES])
})

test('/docs/events shows every type with its example and schema, and /docs/events.json has them for programs', async () => {
  const app = eventsPage()
  const page = await (await app.request('/docs/events')).text()
  for (const { type } of described) expect(page).toContain(`<section id="${type}">`)
  expect(page.match(/<summary>Schema of /g)).toHaveLength(described.length)
  expect(await (await app.request('/docs/events.json')).json()).toEqual(
    JSON.parse(JSON.stringify({ events: described })),
  )
})
