import { ScimError } from '../scim/errors.ts'
import { scimErrorResponse } from './errors.ts'
import { problemResponse } from './problem.ts'

const DETAIL = 'The gateway is starting; try again.'

/** What requests are answered while the gateway is not ready: 503, but at `/livez`, since the process lives. */
export function whileStarting(request: Request): Response {
  const { pathname } = new URL(request.url)
  if (pathname === '/livez') return new Response('ok\n')
  if (pathname.startsWith('/scim/')) return scimErrorResponse(new ScimError(503, undefined, DETAIL), '')
  return problemResponse({ status: 503, detail: DETAIL }, undefined, { 'Retry-After': '1' })
}
