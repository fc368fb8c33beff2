import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { ScimError } from '../scim/errors.ts'

/**
 * Why a request failed: `error`, or that its client hung up while it sent the body. No client is left to read that, but the
 * gateway did nothing wrong and must not look so in its log.
 */
export function causeOf(error: unknown, { env }: Pick<Context, 'env'>): unknown {
  const { incoming } = (env as Partial<HttpBindings> | undefined) ?? {}
  // Nothing begins before the whole body is there, so nothing else can have failed.
  const hungUp = incoming?.destroyed === true && !incoming.complete
  return hungUp ? ScimError.invalidSyntax('body-incomplete', 'The body ended before all of it had arrived.') : error
}
