import { createHash } from 'node:crypto'
import type { Administration } from '../../administration/change.ts'
import { idempotency } from '../../administration/idempotency.ts'
import type { ConsoleContext } from './env.ts'
import { done } from './forms.ts'

/** Name of the field that tells a form from the same one shown again. */
export const FORM_ID_FIELD = 'form-id'

/**
 * For forms whose answer shows a secret. A browser that reloads that page sends the form again: then nothing is made, and the browser
 * is led to the page of what was made, which shows no secret.
 */
export function oncePerForm() {
  const { once } = idempotency()

  /** @param pages address below which what is made has its page, by its id */
  return async <Made extends { readonly id: string }>(
    c: ConsoleContext,
    pages: string,
    make: (administration: Administration) => Promise<Made>,
    show: (made: Made) => Response | Promise<Response>,
  ): Promise<Response> => {
    const sent = createHash('sha256').update(`${c.req.path}\n${c.var.form}`).digest('base64url')
    const result: { made?: Made } = {}
    const request = { actor: c.var.principal.keyId, key: `console ${sent}`, fingerprint: sent }
    const outcome = await once(c.var.administration, request, async (inside) => {
      result.made = await make(inside)
      return { status: 303, location: `${pages}/${result.made.id}`, body: '' }
    })
    if (outcome.kind === 'repeated') return done(c, outcome.answer.location ?? pages, 'shown-before')
    return show(result.made as Made)
  }
}
