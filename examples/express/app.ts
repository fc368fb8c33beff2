/**
 * An application with customers, in Express: it makes a set-up link for a new customer, receives events, lets people in whom the
 * directory knows, and shows their roles.
 */
import express, { type Express } from 'express'
import { adminClient } from 'rollcall/client'
import { webhookReceiver } from 'rollcall/receiver'
import { checkSignIn } from '../sign-in/check.ts'

/** Where the gateway is, and the secrets of this application. */
export interface Settings {
  readonly origin: string
  /** Makes tenants and links. */
  readonly adminKey: string
  /** Reads directories (`directory:read`). */
  readonly appKey: string
  readonly webhookSecret: string
  readonly project: string
  readonly environment: string
}

export function createExample({ origin, adminKey, appKey, webhookSecret, project, environment }: Settings): Express {
  const admin = adminClient({ origin, key: adminKey })
  /** Sessions by their ids. A real application has them in its database. */
  const sessions = new Map<string, { readonly tenant: string; readonly user: string; roles: readonly string[] }>()
  const handled = new Set<string>()
  const ofUser = (user: string) => [...sessions].filter(([, session]) => session.user === user)

  const hooks = webhookReceiver({
    secret: webhookSecret,
    seen: (id) => handled.has(id) || !handled.add(id),
    on: {
      'user.deactivated': ({ resource }) => {
        for (const [id] of ofUser(resource.id)) sessions.delete(id)
      },
      'user.deleted': ({ resource }) => {
        for (const [id] of ofUser(resource.id)) sessions.delete(id)
      },
      'role.assigned': ({ changes: { role, users } }) => {
        for (const user of users)
          for (const [, session] of ofUser(user)) session.roles = [...new Set([...session.roles, role])]
      },
      'role.unassigned': ({ changes: { role, users } }) => {
        for (const user of users)
          for (const [, session] of ofUser(user)) session.roles = session.roles.filter((one) => one !== role)
      },
    },
  })

  const app = express()
  // Before the body parser, since the signature is over the raw body.
  app.post('/webhooks', hooks.node)
  app.use(express.json())

  app.post('/customers', async (request, response) => {
    const { key, name } = request.body as { key: string; name: string }
    const path = { project, environment }
    const made = await admin.POST('/projects/{project}/environments/{environment}/tenants', {
      params: { path },
      body: { key, name },
    })
    if (made.error) return response.status(made.response.status).json({ problem: made.error.detail })
    const link = await admin.POST('/projects/{project}/environments/{environment}/tenants/{tenant}/setup-links', {
      params: { path: { ...path, tenant: key } },
      body: { name: `IT of ${name}` },
    })
    if (link.error) return response.status(link.response.status).json({ problem: link.error.detail })
    return response.status(201).json({ setupLink: link.data.url })
  })

  // Single sign-on comes first: it has asserted `email`, and `tenant` is the customer whose sign-on it was.
  app.post('/sign-in', async (request, response) => {
    const { tenant, email } = request.body as { tenant: string; email: string }
    const { allowed, reason, user, roles } = await checkSignIn(
      { origin, key: appKey, project, environment, tenant },
      email,
    )
    if (!allowed) return response.status(403).json({ reason })
    const id = crypto.randomUUID()
    sessions.set(id, { tenant, user: user?.id ?? '', roles })
    return response.status(201).json({ session: id })
  })

  app.get('/me', (request, response) => {
    const session = sessions.get(request.get('authorization')?.replace(/^Bearer /, '') ?? '')
    if (session === undefined) return response.status(401).json({ problem: 'Sign in.' })
    return response.json({ user: session.user, roles: session.roles })
  })
  return app
}
