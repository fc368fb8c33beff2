import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describedEvents } from '../../src/events/catalogue/index.ts'

/** The pages in `docs/` that are made of the catalogue of events. */
export const CATALOGUE_PAGES = { markdown: 'docs/event-catalogue.md', lines: 'docs/event-catalogue.ndjson' } as const

const ROOT = join(import.meta.dirname, '../..')

const json = (value: unknown) => `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``

/** What each of them has to hold now. */
export function cataloguePages(): Readonly<Record<keyof typeof CATALOGUE_PAGES, string>> {
  const events = describedEvents()
  const [first] = events
  const parts = [
    '# Event catalogue',
    'Every type of event, with what `changes` hold. `npm run events:generate` makes this page from the table that the gateway uses.\n' +
      'A running gateway shows the same at `/docs/events`, with a JSON Schema of each whole event. Programs read the schemas at\n' +
      '`/docs/events.json`, and here, a line for each type, in\n[event-catalogue.ndjson](event-catalogue.ndjson). [events.md](events.md) has the ways to read events.',
    'A whole event looks like this:',
    json(first?.example),
    'New members may come with any release, and new types too: pass over what you do not know. A resource type of your own has\n' +
      '`created` with `after`, `updated` with `changed`, and `deleted` with `before`. Its events are named like it.',
    ...events.flatMap(({ type, when, changes, example }) => [
      `## ${type}`,
      when,
      `About: \`${(example.resource as { type: string }).type}\`. \`changes\`: ${changes}.`,
      json(example.changes),
    ]),
  ]
  return { markdown: `${parts.join('\n\n')}\n`, lines: events.map((event) => `${JSON.stringify(event)}\n`).join('') }
}

if (process.argv[1] === import.meta.filename) {
  const pages = cataloguePages()
  for (const [name, path] of Object.entries(CATALOGUE_PAGES))
    writeFileSync(join(ROOT, path), pages[name as keyof typeof CATALOGUE_PAGES])
}
