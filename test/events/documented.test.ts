import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { EVENT_TYPE_LIST } from '../../src/events/types.ts'

test('docs/events.md names every type of event', () => {
  const page = readFileSync(new URL('../../docs/events.md', import.meta.url), 'utf8')
  const types = [...EVENT_TYPE_LIST.matchAll(/^- `([a-z_]+\.[a-z_]+)`/gm)].map(([, type]) => type)
  expect(types.length).toBeGreaterThan(20)
  expect(types.filter((type) => !page.includes(`\`${type}\``))).toEqual([])
})
