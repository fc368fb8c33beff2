import { z } from 'zod'
import { createApiKey, existingApiKey, listApiKeys, revokeApiKey } from '../../../administration/api-keys.ts'
import { endRotation, rotateApiKey, undoRotation } from '../../../administration/key-rotation.ts'
import { isApiKeyId } from '../../../context/api-key.ts'
import { nameText, permission } from '../../admin/schemas.ts'
import type { ConsoleApp } from '../console.tsx'
import { done, fieldsOf, queryOf } from '../forms.ts'
import { hereOf, PLACES } from '../here.ts'
import { KeyPage, KeysCard, NewKey, ShownOnce } from './api-key-parts.tsx'

const ROWS = 50
const DAY_MS = 86_400_000

const days = z.coerce.number().int().min(1).max(365).optional()
const newKey = z.object({
  name: nameText,
  permissions: z.union([permission, z.array(permission)]).transform((chosen) => [chosen].flat()),
  expiresInDays: days,
})
const rotation = z.object({ old: z.enum(['day', 'use', 'now']), expiresInDays: days })
const WISHES = { day: {}, use: { untilNewIsUsed: true }, now: { keepOldForSeconds: 0 } } as const

/** `…/api-keys` of every place, and the page of each key: what it may, who uses it, how its rotation goes. */
export function apiKeyPages(app: ConsoleApp): void {
  for (const place of PLACES) {
    listAndCreate(app, `${place}/api-keys`)
    oneKey(app, `${place}/api-keys/:k`)
  }
}

function listAndCreate(app: ConsoleApp, address: string): void {
  app.get(address, async (c) => {
    const { scope, path, crumbs } = await hereOf(c)
    const { after } = queryOf(
      c,
      z.object({ after: z.string().refine(isApiKeyId, 'must be the id of an API key').optional() }),
    )
    const keys = await listApiKeys(c.var.database, scope, { after, limit: ROWS + 1 })
    const first = after === undefined ? undefined : `${path}/api-keys`
    return c.render(
      <>
        <h1>API keys</h1>
        <KeysCard keys={keys} limit={ROWS} path={path} first={first}>
          <NewKey path={path} by={c.var.principal} />
        </KeysCard>
      </>,
      { title: 'API keys', crumbs },
    )
  })

  app.post(address, async (c) => {
    const { scope, path, crumbs } = await hereOf(c)
    const { expiresInDays, ...input } = fieldsOf(c.var.form, newKey)
    const key = { ...input, expiresAt: inDays(expiresInDays) }
    const made = await createApiKey(c.var.administration, scope, key, c.var.principal)
    return c.render(<ShownOnce made={made} path={`${path}/api-keys/${made.id}`} />, { title: 'New API key', crumbs })
  })
}

function oneKey(app: ConsoleApp, address: string): void {
  app.get(address, async (c) => {
    const { scope, path, crumbs } = await hereOf(c)
    const key = await existingApiKey(c.var.database, scope, c.req.param('k') ?? '')
    return c.render(<KeyPage row={key} path={`${path}/api-keys/${key.id}`} />, { title: key.name, crumbs })
  })

  app.post(`${address}/rotate`, async (c) => {
    const { scope, path, crumbs } = await hereOf(c)
    const id = c.req.param('k') ?? ''
    const { old, expiresInDays } = fieldsOf(c.var.form, rotation)
    const wish = { ...WISHES[old], expiresAt: inDays(expiresInDays) }
    const made = await rotateApiKey(c.var.administration, scope, id, wish, c.var.principal, new Date())
    return c.render(<ShownOnce made={made} path={`${path}/api-keys/${made.id}`} />, { title: 'New secret', crumbs })
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
