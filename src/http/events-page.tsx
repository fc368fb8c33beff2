import { Hono } from 'hono'
import { type DescribedEvent, describedEvents } from '../events/catalogue/index.ts'
import { Marked, servePage } from './page.tsx'
import { serveText } from './text.ts'

/**
 * `/docs/events`: every type of event with its schema and an example, and a heading named after it. `/docs/events.json` has the
 * same for programs. Both come from the table that the tests hold real events to.
 */
export function eventsPage(): Hono {
  const events = new Hono()
  events.get(
    '/docs/events',
    servePage(() => ({ title: 'Events', content: <Events /> })),
  )
  events.get(
    '/docs/events.json',
    serveText('application/json', async () => JSON.stringify({ events: describedEvents() })),
  )
  return events
}

function Events() {
  const events = describedEvents()
  return (
    <>
      <h1>Events</h1>
      <p>
        <Marked text="Each event is one JSON object. A webhook sends it as `data`, and `type` stands beside it. What differs from type to type is `changes`. A resource type of your own has `created`, `updated` and `deleted`, named like it, with `after`, `changed` and `before`." />
      </p>
      <p>
        <Marked text="New members may come with any release, and new types too: pass over what you do not know." />{' '}
        <a href="/docs/events.json">The same for programs</a>
      </p>
      <nav>
        <ul>
          {events.map(({ type }) => (
            <li>
              <a href={`#${type}`}>{type}</a>
            </li>
          ))}
        </ul>
      </nav>
      {events.map((event) => (
        <EventSection event={event} />
      ))}
    </>
  )
}

function EventSection({ event: { type, when, changes, schema, example } }: { event: DescribedEvent }) {
  return (
    <section id={type}>
      <h2>{type}</h2>
      <p>
        <Marked text={when} />
      </p>
      <p>
        <code>changes</code>: <Marked text={changes} />
      </p>
      <pre>{JSON.stringify(example, null, 2)}</pre>
      <details>
        <summary>Schema of {type}</summary>
        <pre>{JSON.stringify(schema, null, 2)}</pre>
      </details>
    </section>
  )
}
