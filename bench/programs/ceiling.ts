import { Hono } from 'hono'
import { v7 as uuidv7 } from 'uuid'
import { connectPostgres } from '../../src/db/postgres.ts'
import { turns } from '../../src/db/turns.ts'
import { listen } from '../../src/listen.ts'
import type { JsonObject } from '../../src/scim/resource.ts'
import {
  changeMembers,
  createGroup,
  createMany,
  createUser,
  reads,
  replaceMembers,
  replaceUser,
  setActive,
} from './ceiling-sql.ts'

// The ceiling: what this stack could do at best. It knows no key, no schema, no version and no error; it parses JSON with
// JSON.parse, runs one prepared statement and sends the stored text. It listens as the gateway does and has the same driver.

const CONNECTIONS = 10
const databaseUrl = process.env.DATABASE_URL ?? ''
const sql = connectPostgres({ databaseUrl, databasePrepare: true }, { max: CONNECTIONS, timeouts: true })

// As the gateway does: with more statements than connections the driver's own queue slows everything down.
const inTurn = turns(CONNECTIONS, () => new Error('no turn within a minute'))

const run = (statement: string, values: readonly (string | null)[]) =>
  inTurn(async () => await sql.unsafe<{ document: string }[]>(statement, values as string[], { prepare: true }), 60_000)

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
    const rows = await run(statement, [c.req.param('tenant'), bound])
    return respond(list ? `${ENVELOPE}${rows.map((row) => row.document).join(',')}]}` : (rows[0]?.document ?? '{}'))
  })
}

/** The columns of a user, without any care. */
function columns(tenant: string, body: JsonObject) {
  const { userName, displayName, externalId, active: _, schemas: _schemas, ...searched } = body
  const { active: _active, ...document } = body
  return {
    external_id: externalId as string,
    unique_key: (userName as string).toLowerCase(),
    display_key: (displayName as string).toLowerCase(),
    label: displayName as string,
    document: JSON.stringify(document),
    search: `{"${tenant}":${JSON.stringify(searched).toLowerCase()}}`,
  }
}

app.post('/create/:tenant', async (c) => {
  const tenant = c.req.param('tenant')
  const id = uuidv7()
  const { external_id, unique_key, display_key, label, document, search } = columns(tenant, await c.req.json())
  const [row] = await run(createUser, [tenant, id, external_id, unique_key, display_key, label, document, search])
  return respond(`{"id":"${id}",${row?.document.slice(1)}`, 201)
})

app.post('/create-group/:tenant', async (c) => {
  const tenant = c.req.param('tenant')
  const id = uuidv7()
  const body = await c.req.json()
  const [row] = await run(createGroup, [tenant, id, body.displayName, JSON.stringify(body), `{"${tenant}":{}}`])
  return respond(`{"id":"${id}",${row?.document.slice(1)}`, 201)
})

app.post('/bulk/:tenant', async (c) => {
  const tenant = c.req.param('tenant')
  const users: JsonObject[] = await c.req.json()
  const rows = users.map((user) => {
    const { search, ...others } = columns(tenant, user)
    return { id: uuidv7(), ...others, search: JSON.parse(search) }
  })
  const made = await run(createMany, [tenant, JSON.stringify(rows)])
  return respond(JSON.stringify({ Operations: made }))
})

app.patch('/active/:tenant/:id', async (c) => {
  const { active } = await c.req.json()
  const [row] = await run(setActive, [c.req.param('tenant'), c.req.param('id'), String(active)])
  return respond(row?.document ?? '{}')
})

app.put('/replace/:tenant/:id', async (c) => {
  const tenant = c.req.param('tenant')
  const { document, search } = columns(tenant, await c.req.json())
  const [row] = await run(replaceUser, [tenant, c.req.param('id'), document, search])
  return respond(row?.document ?? '{}')
})

app.patch('/members/:tenant/:id', async (c) => {
  const { add, remove } = await c.req.json()
  await run(changeMembers, [c.req.param('tenant'), c.req.param('id'), `{${add.join(',')}}`, `{${remove.join(',')}}`])
  return new Response(null, { status: 204 })
})

app.put('/members/:tenant/:id', async (c) => {
  const { members } = await c.req.json()
  await run(replaceMembers, [c.req.param('tenant'), c.req.param('id'), `{${members.join(',')}}`])
  return new Response(null, { status: 204 })
})

const server = await listen(app.fetch, { host: '127.0.0.1', port: 0 })
process.stdout.write(`listening on http://127.0.0.1:${server.port}\n`)
