import { webhookReceiver } from 'rollcall/receiver'
import { endSessionsOf, setRole } from '../../../lib/sessions.ts'

// A route handler of the App Router is a Fetch handler, and its request has the raw body.
let hooks: ReturnType<typeof webhookReceiver> | undefined

/** Receives the events of all customers. */
export function POST(request: Request): Promise<Response> {
  hooks ??= webhookReceiver({
    secret: process.env.ROLLCALL_WEBHOOK_SECRET ?? '',
    on: {
      'user.deactivated': ({ resource }) => endSessionsOf(resource.id),
      'user.deleted': ({ resource }) => endSessionsOf(resource.id),
      'role.assigned': ({ changes: { role, users } }) => setRole(users, role, true),
      'role.unassigned': ({ changes: { role, users } }) => setRole(users, role, false),
    },
  })
  return hooks.fetch(request)
}
