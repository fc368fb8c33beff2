import { z } from 'zod'
import type { Administration } from '../../../../administration/change.ts'
import {
  type CreatedApiKey,
  changeApiKey,
  createApiKey,
  existingApiKey,
  revokeApiKey,
} from '../../../../administration/keys/api-keys.ts'
import { endRotation, rotateApiKey, undoRotation } from '../../../../administration/keys/key-rotation.ts'
import { isApiKeyId } from '../../../../auth/api-key.ts'
import type { Networks } from '../../../../network/delivery-address.ts'
import { apiKeysWithin } from '../../../../repositories/control/api-keys.ts'
import { nameText, permission } from '../../../control/schemas.ts'
import type { ConsoleApp, ConsoleContext } from '../../env.ts'
import { done, fieldsOf, queryOf } from '../../forms.ts'
import { type Here, hereOf, PLACES } from '../../here.ts'
import { oncePerForm } from '../../once.ts'
import { KeyPage } from './api-key-page.tsx'
import { KeysCard, NewKey, ShownOnce } from './api-key-parts.tsx'
import { ownersOf } from './key-owners.ts'
import { publicKeyActions } from './public-keys.tsx'
import { trustActions } from './trusts.tsx'

const ROWS = 50
const DAY_MS = 86_400_000

const days = z.coerce.number().int().min(1).max(365).optional()
const newKey = z.object({
  name: nameText,
  permissions: z.union([permission, z.array(permission)]).transform((chosen) => [chosen].flat()),
  expiresInDays: days,
  tokensMayMintAdminKeys: z.stringbool().optional(),
})
const tokenRights = z.object({ may: z.stringbool() })
const rotation = z.object({ old: z.enum(['day', 'use', 'now']), expiresInDays: days })
const WISHES = { day: {}, use: { untilNewIsUsed: true }, now: { keepOldForSeconds: 0 } } as const

/** `…/api-keys` of every place, and the page of each key: what it may, who uses it, how its rotation goes. */
export function apiKeyPages(app: ConsoleApp, tools: { readonly networks: Networks }): void {
  const shown = shownOnce()
  for (const place of PLACES) {
    listAndCreate(app, `${place}/api-keys`, shown)
    oneKey(app, `${place}/api-keys/:k`, shown)
  }
  publicKeyActions(app)
  trustActions(app, tools)
}

/** Answers a form with the page that shows a new secret, once for each form. */
function shownOnce() {
  const once = oncePerForm()
  return (
    c: ConsoleContext,
    { path, crumbs }: Here,
    title: string,
    make: (administration: Administration) => Promise<CreatedApiKey>,
  ): Promise<Response> =>
    once(c, `${path}/api-keys`, make, (made) =>
      c.render(<ShownOnce made={made} path={`${path}/api-keys/${made.id}`} />, { title, crumbs }),
    )
}
type Shown = ReturnType<typeof shownOnce>

function listAndCreate(app: ConsoleApp, address: string, shown: Shown): void {
  app.get(address, async (c) => {
    const { scope, path, crumbs } = await hereOf(c)
    const { after } = queryOf(
      c,
      z.object({ after: z.string().refine(isApiKeyId, 'must be the id of an API key').optional() }),
    )
    const keys = await apiKeysWithin(c.var.database, scope).list({ after, limit: ROWS + 1 })
    const first = after === undefined ? undefined : `${path}/api-keys`
    return c.render(
      <>
        <h1>API keys</h1>
        <KeysCard keys={keys} owners={await ownersOf(c, keys)} limit={ROWS} path={path} first={first}>
          <NewKey path={path} by={c.var.principal} />
        </KeysCard>
      </>,
      { title: 'API keys', crumbs },
    )
  })

  app.post(address, async (c) => {
    const here = await hereOf(c)
    const { expiresInDays, ...input } = fieldsOf(c.var.form, newKey)
    const key = { ...input, expiresAt: inDays(expiresInDays) }
    return shown(c, here, 'New API key', (administration) =>
      createApiKey(administration, here.scope, key, c.var.principal),
    )
  })
}

function oneKey(app: ConsoleApp, address: string, shown: Shown): void {
  app.get(address, async (c) => {
    const { scope, path, crumbs } = await hereOf(c)
    const key = await existingApiKey(c.var.database, scope, c.req.param('k') ?? '')
    const owner = (await ownersOf(c, [key])).get(key.id)
    return c.render(<KeyPage row={key} owner={owner} path={`${path}/api-keys/${key.id}`} />, {
      title: key.name,
      crumbs,
    })
  })

  app.post(`${address}/rotate`, async (c) => {
    const here = await hereOf(c)
    const id = c.req.param('k') ?? ''
    const { old, expiresInDays } = fieldsOf(c.var.form, rotation)
    const wish = { ...WISHES[old], expiresAt: inDays(expiresInDays) }
    return shown(c, here, 'New secret', (administration) =>
      rotateApiKey(administration, here.scope, id, wish, c.var.principal, new Date()),
    )
  })

  app.post(`${address}/token-rights`, async (c) => {
    const { scope, path } = await hereOf(c)
    const id = c.req.param('k') ?? ''
    const { may: tokensMayMintAdminKeys } = fieldsOf(c.var.form, tokenRights)
    await changeApiKey(c.var.administration, scope, id, { tokensMayMintAdminKeys }, c.var.principal)
    return done(c, `${path}/api-keys/${id}`, 'key-changed')
  })

  const settlements = [
    { verb: 'revoke', act: revokeApiKey, notice: 'key-revoked' },
    { verb: 'end-rotation', act: endRotation, notice: 'rotation-ended' },
    { verb: 'undo-rotation', act: undoRotation, notice: 'rotation-undone' },
  ] as const
  for (const { verb, act, notice } of settlements) {
    app.post(`${address}/${verb}`, async (c) => {
      const { scope, path } = await hereOf(c)
      const id = c.req.param('k') ?? ''
      await act(c.var.administration, scope, id, new Date())
      return done(c, `${path}/api-keys/${id}`, notice)
    })
  }
}

const inDays = (days: number | undefined): Date | undefined =>
  days === undefined ? undefined : new Date(Date.now() + days * DAY_MS)
