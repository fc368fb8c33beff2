import jackson from '@boxyhq/saml-jackson'
import express from 'express'
import { say } from './say.mjs'

// As the guide for Express says: start the controllers on a database, make a directory, hand requests to it.

const { directorySyncController } = await jackson.controllers({
  externalUrl: 'http://localhost',
  samlPath: '/',
  scimPath: '/api/scim',
  // Its pages are of 50 at the most, unless told otherwise.
  db: { engine: 'sql', type: 'postgres', url: process.env.DATABASE_URL, pageLimit: 100 },
  noAnalytics: true,
})
const { data: directory, error } = await directorySyncController.directories.create({
  name: 'bench',
  type: 'okta-scim-v2',
  tenant: 'bench',
  product: 'bench',
})
if (error) throw new Error(error.message)

const app = express()
app.use(express.json({ type: ['application/json', 'application/scim+json'], limit: '10mb' }))
app.all(['/api/scim/:directoryId/:type', '/api/scim/:directoryId/:type/:id'], async (request, response) => {
  const { startIndex, count, filter } = request.query
  const { status, data } = await directorySyncController.requests.handle(
    {
      method: request.method,
      body: request.body,
      directoryId: request.params.directoryId,
      resourceType: request.params.type,
      resourceId: request.params.id,
      apiSecret: request.header('Authorization')?.split(' ')[1] ?? null,
      query: {
        startIndex: startIndex === undefined ? undefined : Number(startIndex),
        count: count === undefined ? undefined : Number(count),
        filter,
      },
    },
    async () => {},
  )
  response.status(status).json(data)
})
const server = app.listen(0, '127.0.0.1', () =>
  say(server, { base: `/api/scim/${directory.id}`, token: directory.scim.secret }),
)
