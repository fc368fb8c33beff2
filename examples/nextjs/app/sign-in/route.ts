import { checkSignIn } from '../../../sign-in/check.ts'
import { directoryOf } from '../../lib/rollcall.ts'
import { beginSession } from '../../lib/sessions.ts'

/** Single sign-on comes first: it has asserted `email`, and `tenant` is the customer whose sign-on it was. */
export async function POST(request: Request): Promise<Response> {
  const { tenant, email } = (await request.json()) as { tenant: string; email: string }
  const { allowed, reason, user, roles } = await checkSignIn(directoryOf(tenant), email)
  if (!allowed) return Response.json({ reason }, { status: 403 })
  const session = beginSession(user?.id ?? '', roles)
  const cookie = `session=${session}; HttpOnly; Secure; SameSite=Lax; Path=/`
  return Response.json({ session }, { status: 201, headers: { 'Set-Cookie': cookie } })
}
