import { timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { z } from 'zod'
import { Refusal } from '../../administration/refusal.ts'
import { invalid, unstorable } from '../invalid.ts'
import type { ConsoleContext, ConsoleEnv } from './env.ts'

/** Name of the field in which every form sends its session's token. */
export const TOKEN_FIELD = 'form-token'

/** Name of the field in which a form says which state its page has shown (`If-Match`). */
export const TAG_FIELD = 'if-match'

/** Fields that say nothing of what is to be done. */
export const NOTHING_SENT: ReadonlySet<string> = new Set([TOKEN_FIELD, TAG_FIELD])

/** Reads the form of a POST; nothing but forms is sent to the console. */
export const readForm: MiddlewareHandler<ConsoleEnv> = async (c, next) => {
  if (c.req.method === 'POST') {
    const type = c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
    if (type !== 'application/x-www-form-urlencoded') throw new HTTPException(415, { message: 'This is not a form.' })
    c.set('form', new URLSearchParams(await c.req.text()))
  }
  return next()
}

/** Lets a form through only with the token of its session, which no other site can know. */
export const checkToken: MiddlewareHandler<ConsoleEnv> = (c, next) => {
  if (c.req.method !== 'POST') return next()
  const [sent, own] = [c.var.form.get(TOKEN_FIELD) ?? '', c.var.session?.formToken ?? ''].map((text) =>
    Buffer.from(text),
  )
  const same = sent && own && own.length > 0 && sent.length === own.length && timingSafeEqual(sent, own)
  if (!same) throw new Refusal(403, 'The form is not of this session; open the page again and repeat what you did.')
  return next()
}

/** The fields of a form, or of the address, as `shape` has them. Fields left empty count as not there. @throws {Refusal} 400 */
export function fieldsOf<Shape extends z.ZodType>(fields: URLSearchParams, shape: Shape): z.infer<Shape> {
  const values: Record<string, string | string[]> = {}
  for (const name of new Set(fields.keys())) {
    const all = fields.getAll(name).filter((value) => value !== '')
    if (NOTHING_SENT.has(name) || all.length === 0) continue
    values[name] = all.length === 1 ? (all[0] as string) : all
  }
  const refusal = unstorable(values)
  if (refusal !== undefined) throw refusal
  const parsed = shape.safeParse(values)
  if (!parsed.success) throw invalid(parsed.error)
  return parsed.data
}

/** The query of an address, in the same way. */
export const queryOf = <Shape extends z.ZodType>(c: ConsoleContext, shape: Shape): z.infer<Shape> =>
  fieldsOf(new URL(c.req.url).searchParams, shape)

/** Sends the browser on after something was done; the page says what, by a name in `NOTICES`. */
export const done = (c: ConsoleContext, path: string, what: Notice) => c.redirect(`${path}?done=${what}`, 303)

/** What a page says was done before it. */
export const NOTICES = {
  paused: 'Paused: its base URLs answer 403 and nothing changes until it is resumed.',
  resumed: 'Resumed: its base URLs answer again.',
  'tenant-made': 'The tenant is made. Make a key for its identity provider next.',
  'key-changed': 'The key is changed; its tokens feel it within a second.',
  'public-key-added': 'The public key is added; a client can sign with its private half at once.',
  'public-key-removed': 'The public key is removed; access tokens that were got with it end within a second.',
  'key-revoked': 'The key is revoked; it is refused everywhere within a second.',
  'trust-added': 'The issuer is trusted: its workload gets access tokens within a second.',
  'trust-removed': 'The issuer is trusted no longer; tokens that were got by it end within a second.',
  'link-revoked': 'The link is revoked, and its visitors are out. The tokens that they made stay.',
  'shown-before':
    'This form was sent before, and its secret shown then; that is kept nowhere. Who has not got it rotates it, or makes another.',
  'rotation-ended': 'The old secret has ended.',
  'rotation-undone': 'The rotation is undone: the new secret has ended, the old one stays.',
  replayed: 'The dead letters are queued again and will be sent soon.',
  enabled: 'It is enabled, and its failures are forgotten.',
  disabled: 'It is disabled: no event is queued for it until it is enabled again.',
  'endpoint-made': 'It is made, and gets what happens from now on.',
  'endpoint-paused': 'It is paused: what happens waits for it until it goes on.',
  'endpoint-goes-on': 'It goes on, and gets what has waited.',
  'endpoint-changed': 'It is changed; the next event goes out by it.',
  'sent-again': 'The event is queued again and will be sent soon.',
  saved: 'It is saved, and in force within a second.',
  'rules-saved': 'The rules are saved; in a large tenant groups follow them step by step.',
  'project-made': 'The project is made. Make an environment in it next.',
  'environment-made': 'The environment is made, with a tenant for trying.',
  'schema-saved': 'It is registered, and identity providers see it within a second.',
  'mapping-saved': 'The mapping is saved. Applications are told that values of users may be others.',
  published: 'The catalogue is published, and identity providers see it within a second.',
  'entry-removed': 'It is out of the catalogue: nobody gets it any more, and who has it keeps it.',
  withdrawn: 'The catalogue is withdrawn. Users keep what they have.',
  deleted: 'It is deleted.',
  moved: 'It is moved, with all that is its own.',
  'former-ended': 'Its base URLs from before are ended: they answer 404.',
  'let-go': 'What was held goes out now, and leavers are counted anew.',
  decided: 'It is decided, and the audit log has it. Who still waits is shown below.',
  repaired: 'The log has the events, and webhooks send them. Where there are very many, do it again for the rest.',
  'domain-added': 'The domain is added. Make its TXT record, and verify it.',
  'domain-verified': 'The domain is verified: its addresses prove who somebody is.',
  'signed-out': 'You have signed out.',
  'session-ended': 'The session has ended, on every instance.',
} as const
export type Notice = keyof typeof NOTICES
