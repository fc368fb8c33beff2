import { z } from 'zod'
import { endRotation, rotateApiKey } from '../../../administration/keys/key-rotation.ts'
import { createIdentityProviderKey, identityProviderKey } from '../../../administration/keys/setup-keys.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import { IDENTITY_PROVIDERS } from '../../../tenancy/identity-providers.ts'
import { fieldsOf } from '../../console/forms.ts'
import { oncePerForm } from '../../console/once.ts'
import { Card } from '../../console/parts.tsx'
import { nameText } from '../../control/schemas.ts'
import { standingOf } from '../connection.ts'
import { linkOf, type PortalApp } from '../env.ts'
import { doneHere, pathOfLink } from '../layout.tsx'
import { renderSteps } from './steps.tsx'
import { MakeToken, TokenList, TokenPage } from './token-parts.tsx'

const newToken = z.object({ name: nameText })
const rotation = z.object({ old: z.enum(['day', 'use', 'now']) })
const WISHES = { day: {}, use: { untilNewIsUsed: true }, now: { keepOldForSeconds: 0 } } as const

/** `/setup/{link}/tokens`: the tokens of the identity provider are made and rotated; each is shown once, in the steps. */
export function tokenPages(app: PortalApp, config: OriginPolicy): void {
  const once = oncePerForm()

  app.get('/:link/tokens', async (c) => {
    const { link } = linkOf(c)
    const path = pathOfLink(link.id)
    const { keys } = await standingOf(c)
    const provider = IDENTITY_PROVIDERS[link.identityProvider ?? 'generic']
    return c.render(
      <>
        <h1>Tokens</h1>
        <Card title="Your tokens">
          {keys.length > 0 && <TokenList path={path} keys={keys} />}
          <MakeToken path={path} keys={keys} provider={provider} />
        </Card>
      </>,
      { title: 'Tokens' },
    )
  })

  app.post('/:link/tokens', async (c) => {
    const { link } = linkOf(c)
    const { name } = fieldsOf(c.var.form, newToken)
    return once(
      c,
      `${pathOfLink(link.id)}/tokens`,
      (administration) => createIdentityProviderKey(administration, link, name, c.var.principal),
      ({ key }) => renderSteps(c, config, link.identityProvider ?? 'generic', key),
    )
  })

  app.get('/:link/tokens/:token', async (c) => {
    const { link } = linkOf(c)
    const row = await identityProviderKey(c.var.database, link.scope, c.req.param('token'))
    return c.render(<TokenPage row={row} path={`${pathOfLink(link.id)}/tokens/${row.id}`} />, { title: row.name })
  })

  app.post('/:link/tokens/:token/rotate', async (c) => {
    const { link } = linkOf(c)
    const { id } = await identityProviderKey(c.var.database, link.scope, c.req.param('token'))
    const wish = WISHES[fieldsOf(c.var.form, rotation).old]
    return once(
      c,
      `${pathOfLink(link.id)}/tokens`,
      (administration) => rotateApiKey(administration, link.scope, id, wish, c.var.principal, new Date()),
      ({ key }) => renderSteps(c, config, link.identityProvider ?? 'generic', key),
    )
  })

  app.post('/:link/tokens/:token/end-old', async (c) => {
    const { link } = linkOf(c)
    const { id } = await identityProviderKey(c.var.database, link.scope, c.req.param('token'))
    await endRotation(c.var.administration, link.scope, id, new Date())
    return doneHere(c, `${pathOfLink(link.id)}/tokens/${id}`, 'old-ended')
  })
}
