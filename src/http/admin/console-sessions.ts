import { createRoute, z } from '@hono/zod-openapi'
import { endConsoleSession } from '../../administration/console-sessions.ts'
import { Refusal } from '../../administration/refusal.ts'
import { subjectOf } from '../../auth/principal.ts'
import { type ConsoleSessionRow, consoleSessionsOf } from '../../repositories/control/console-sessions.ts'
import type { AdminApp } from '../control/env.ts'
import { EXAMPLE } from '../control/examples.ts'
import { instanceFor } from '../control/places.ts'
import { jsonAnswer, listAnswer, listOf, noContent, pageQuery, problems } from '../control/schemas.ts'

const person = z.object({ issuer: z.string(), subject: z.string(), name: z.string(), email: z.string().nullable() })
const session = z
  .object({
    id: z.uuid(),
    apiKey: z
      .string()
      .nullable()
      .openapi({ description: 'Id of the API key that signed in; "admin" is the key that the configuration gives.' }),
    person: person.nullable().openapi({ description: 'What the issuer said of a person who signed in with it.' }),
    createdAt: z.string(),
    seenAt: z.string().openapi({ description: 'When it was last used, to the minute.' }),
    endsAt: z.string().openapi({ description: 'When it ends unless it is used, or at the latest.' }),
    address: z.string().nullable().openapi({ description: 'IP address from which it began.' }),
    client: z.string().nullable().openapi({ description: 'User-Agent of the browser.' }),
  })
  .openapi('ConsoleSession')

const example: z.infer<typeof session> = {
  ...{ id: EXAMPLE.sessionId, apiKey: null },
  person: {
    ...{ issuer: 'https://id.example.com', subject: '00u1', name: 'Ada Lovelace', email: 'ada@example.com' },
  },
  ...{ createdAt: EXAMPLE.changed, seenAt: EXAMPLE.changed, endsAt: '2026-03-09T16:05:00.000Z' },
  ...{ address: '203.0.113.7', client: 'Mozilla/5.0' },
}
const tags = ['Console sessions']

const list = createRoute({
  method: 'get',
  path: '/console-sessions',
  operationId: 'listConsoleSessions',
  summary: 'List sessions of the console',
  tags,
  request: { query: pageQuery(z.uuid()) },
  responses: {
    200: jsonAnswer(listOf(session, 'ConsoleSessionList'), 'Sessions that last, the newest first', {
      items: [example],
      next: null,
    }),
    ...problems,
  },
})
const remove = createRoute({
  method: 'delete',
  path: '/console-sessions/{session}',
  operationId: 'deleteConsoleSession',
  summary: 'End a session of the console',
  tags,
  description: 'Its next request on any instance leads to the page for signing in.',
  request: { params: z.object({ session: z.string().openapi({ description: 'Id of the session.' }) }) },
  responses: { 204: noContent, ...problems },
})

/** `/console-sessions` of the admin API: who is signed in to the console. It takes a key for the instance. */
export function consoleSessionRoutes(app: AdminApp): void {
  app.openapi(list, async (c) => {
    instanceFor(c.var.principal.scope)
    const { after, limit } = c.req.valid('query')
    const page = { after, limit: limit + 1 }
    const rows = await consoleSessionsOf(c.var.database).list(undefined, page, new Date())
    return c.json(listAnswer(rows, limit, present), 200)
  })

  app.openapi(remove, async (c) => {
    const place = instanceFor(c.var.principal.scope)
    const { session: name } = c.req.valid('param')
    const { data: id } = z.uuid().safeParse(name)
    if (id === undefined) throw Refusal.notFound('session', name)
    await endConsoleSession(c.var.administration, place, id)
    return c.body(null, 204)
  })
}

const present = ({ id, keyId, person, createdAt, seenAt, endsAt, address, client }: ConsoleSessionRow) => ({
  ...{ id, apiKey: person === null ? keyId : null, person: person && personShown(keyId, person) },
  ...{ createdAt: createdAt.toISOString(), seenAt: seenAt.toISOString(), endsAt: endsAt.toISOString() },
  ...{ address, client },
})

const personShown = (keyId: string, { issuer, name, email }: NonNullable<ConsoleSessionRow['person']>) => ({
  ...{ issuer, subject: subjectOf(keyId), name, email },
})
