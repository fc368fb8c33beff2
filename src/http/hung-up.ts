import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { ScimError } from '../scim/errors.ts'

/**
 * What failed with a request: `error`, or where its client hung up while it sent the body, that. Nobody is left to read it, but it
 * is no fault of ours and must not look like one in the log.
 */
export function causeOf(error: unknown, { env }: Pick<Context, 'env'>): unknown {
  const { incoming } = (env as Partial<HttpBindings> | undefined) ?? {}
  // Nothing begins before the whole body is there, so nothing else can have failed.
  const hungUp = incoming?.destroyed === true && !incoming.complete
  return hungUp ? ScimError.invalidSyntax('The body ended before all of it had arrived.') : error
}
