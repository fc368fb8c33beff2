import { admin, place } from '../../lib/rollcall.ts'

/** Makes a customer, and the set-up link for its IT admin. */
export async function POST(request: Request): Promise<Response> {
  const { key, name } = (await request.json()) as { key: string; name: string }
  const client = admin()
  const made = await client.POST('/projects/{project}/environments/{environment}/tenants', {
    params: { path: place() },
    body: { key, name },
  })
  if (made.error) return Response.json({ problem: made.error.detail }, { status: made.response.status })
  const link = await client.POST('/projects/{project}/environments/{environment}/tenants/{tenant}/setup-links', {
    params: { path: { ...place(), tenant: key } },
    body: { name: `IT of ${name}` },
  })
  if (link.error) return Response.json({ problem: link.error.detail }, { status: link.response.status })
  return Response.json({ setupLink: link.data.url }, { status: 201 })
}
