import { ScimError } from '../scim/errors.ts'
import { scimErrorResponse } from './errors.ts'
import { problemResponse } from './problem.ts'

const DETAIL = 'The gateway is starting; try again.'

/** What requests are answered while the gateway is not ready: 503, but at `/livez`, since the process lives. */
export function whileStarting(request: Request): Response {
  const { pathname } = new URL(request.url)
  if (pathname === '/livez') return new Response('ok\n')
  const headers = { 'Retry-After': '1' }
  if (pathname.startsWith('/scim/'))
    return scimErrorResponse(new ScimError(503, undefined, 'starting', DETAIL), headers)
  return problemResponse({ status: 503, detail: DETAIL }, undefined, headers)
}

/** What answers while the gateway is stopping: `answer`, but at `/readyz`, so that load balancers send requests elsewhere. */
export const whileStopping =
  <Env>(answer: (request: Request, env?: Env) => Response | Promise<Response>) =>
  (request: Request, env?: Env): Response | Promise<Response> =>
    new URL(request.url).pathname === '/readyz'
      ? new Response('the gateway is stopping\n', { status: 503 })
      : answer(request, env)
