import { Hono } from 'hono'
import { v7 as uuidv7 } from 'uuid'
import { connectPostgres } from '../../src/db/connect.ts'
import { SESSION_SETTINGS } from '../../src/db/session-settings.ts'
import { sharesOf, Turns } from '../../src/db/turns.ts'
import { listen } from '../../src/listen.ts'
import type { JsonObject } from '../../src/scim/resource.ts'
import { bare } from './bare-sql.ts'
import { reads, type Statement, sameRows, sameRowsBesides, type Value, type Writes } from './ceiling-sql.ts'

// The ceilings: what this stack could do at best. It knows no key, no schema, no version and no error; it parses JSON with
// JSON.parse, runs one prepared statement and sends the stored text. It listens as the gateway does and has the same driver.

const CONNECTIONS = 10
const databaseUrl = process.env.DATABASE_URL ?? ''
const sql = connectPostgres(databaseUrl, { max: CONNECTIONS, prepare: true, settings: SESSION_SETTINGS })

// As the gateway does: with more statements than connections the driver's own queue slows everything down.
const turns = new Turns(sharesOf(CONNECTIONS))
const ANYBODY = { kind: 'control', party: '', lane: '' } as const

const query = (statement: string, values: readonly (string | null)[]) =>
  turns.take(
    ANYBODY,
    60_000,
    undefined,
    async () => await sql.unsafe<{ document: string }[]>(statement, values as string[], { prepare: true }),
  )

/** Runs a statement with what it takes of `values`. */
const run = ({ takes, text }: Statement, values: { readonly [value in Value]?: string }) =>
  query(
    text,
    takes.map((value) => values[value] ?? null),
  )

const respond = (text: string, status = 200) =>
  new Response(text, { status, headers: { 'Content-Type': 'application/scim+json' } })

const ENVELOPE =
  '{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":1,"startIndex":1,"Resources":['

const app = new Hono()
for (const [name, statement] of Object.entries(reads)) {
  const list = name !== 'read' && name !== 'group'
  app.get(`/${name}/:tenant/:value`, async (c) => {
    const value = c.req.param('value')
    const bound = name === 'search' ? `{"${c.req.param('tenant')}":${value}}` : value
    const rows = await query(statement, [c.req.param('tenant'), bound])
    return respond(list ? `${ENVELOPE}${rows.map((row) => row.document).join(',')}]}` : (rows[0]?.document ?? '{}'))
  })
}

/** Values are folded; names stay as they are, since look-ups name them so. */
const folded = (_: string, value: unknown) => (typeof value === 'string' ? value.toLowerCase() : value)

/** The columns of a user, without any care; each is made when it is asked for. */
class Person {
  readonly tenant: string
  readonly id: string
  readonly #body: JsonObject

  constructor(tenant: string, id: string, body: JsonObject) {
    this.tenant = tenant
    this.id = id
    this.#body = body
  }

  get externalId() {
    return this.#body.externalId as string
  }
  get uniqueKey() {
    return (this.#body.userName as string).toLowerCase()
  }
  get displayKey() {
    return this.label.toLowerCase()
  }
  get label() {
    return this.#body.displayName as string
  }
  get document() {
    const { active: _, ...document } = this.#body
    return JSON.stringify(document)
  }
  get search() {
    const { userName, displayName, externalId, active, schemas, ...searched } = this.#body
    return `{"${this.tenant}":${JSON.stringify(searched, folded)}}`
  }
}

/** Many users as the rows of a JSON text. */
class People {
  readonly tenant: string
  readonly #people: readonly Person[]

  constructor(tenant: string, people: readonly Person[]) {
    this.tenant = tenant
    this.#people = people
  }

  get bareRows() {
    return JSON.stringify(this.#people.map(columnsOf))
  }
  get rows() {
    const rows = this.#people.map((person) => ({
      ...columnsOf(person),
      ...{ label: person.label, search: JSON.parse(person.search) },
    }))
    return JSON.stringify(rows)
  }
}

const columnsOf = ({ id, externalId, uniqueKey, displayKey, document }: Person) => ({
  ...{ id, document, external_id: externalId, unique_key: uniqueKey, display_key: displayKey },
})

/** What both ceilings do, each below its own path. */
function serveWrites(base: string, writes: Writes): void {
  app.post(`${base}/create/:tenant`, async (c) => {
    const id = uuidv7()
    const [row] = await run(writes.create, new Person(c.req.param('tenant'), id, await c.req.json()))
    return respond(`{"id":"${id}",${row?.document.slice(1)}`, 201)
  })
  app.post(`${base}/bulk/:tenant`, async (c) => {
    const tenant = c.req.param('tenant')
    const users: JsonObject[] = await c.req.json()
    const people = users.map((user) => new Person(tenant, uuidv7(), user))
    return respond(JSON.stringify({ Operations: await run(writes.createMany, new People(tenant, people)) }))
  })
  app.patch(`${base}/active/:tenant/:id`, async (c) => {
    const { active } = await c.req.json()
    const [row] = await run(writes.setActive, { ...c.req.param(), active: String(active) })
    return respond(row?.document ?? '{}')
  })
  app.patch(`${base}/preferredLanguage/:tenant/:id`, async (c) => {
    const { preferredLanguage: language } = await c.req.json()
    const [row] = await run(writes.setLanguage, { ...c.req.param(), language })
    return respond(row?.document ?? '{}')
  })
  app.put(`${base}/replace/:tenant/:id`, async (c) => {
    const { tenant, id } = c.req.param()
    const [row] = await run(writes.replace, new Person(tenant, id, await c.req.json()))
    return respond(row?.document ?? '{}')
  })
  app.patch(`${base}/members/:tenant/:id`, async (c) => {
    const { add, remove } = await c.req.json()
    await run(writes.changeMembers, { ...c.req.param(), add: `{${add.join(',')}}`, remove: `{${remove.join(',')}}` })
    return new Response(null, { status: 204 })
  })
}

serveWrites('', sameRows)
serveWrites('/bare', bare)

app.post('/create-group/:tenant', async (c) => {
  const tenant = c.req.param('tenant')
  const id = uuidv7()
  const body = await c.req.json()
  const group = { tenant, id, label: body.displayName, document: JSON.stringify(body), search: `{"${tenant}":{}}` }
  const [row] = await run(sameRowsBesides.createGroup, group)
  return respond(`{"id":"${id}",${row?.document.slice(1)}`, 201)
})

app.put('/members/:tenant/:id', async (c) => {
  const { members } = await c.req.json()
  await run(sameRowsBesides.replaceMembers, { ...c.req.param(), members: `{${members.join(',')}}` })
  return new Response(null, { status: 204 })
})

app.delete('/user/:tenant/:id', async (c) => {
  await run(sameRowsBesides.remove, c.req.param())
  return new Response(null, { status: 204 })
})

const server = await listen(app.fetch, { host: '127.0.0.1', port: 0 })
process.stdout.write(`listening on http://127.0.0.1:${server.port}\n`)
