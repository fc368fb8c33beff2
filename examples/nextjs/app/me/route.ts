import { sessionOf } from '../../lib/sessions.ts'

/** Who is signed in, and with which roles. */
export function GET(request: Request): Response {
  const [, id] = /(?:^|;\s*)session=([^;]+)/.exec(request.headers.get('cookie') ?? '') ?? []
  const session = sessionOf(id)
  return session === undefined ? Response.json({ problem: 'Sign in.' }, { status: 401 }) : Response.json(session)
}
