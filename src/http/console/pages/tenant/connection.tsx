import { apiKeysWithin } from '../../../../repositories/control/api-keys.ts'
import { logoutUrlAt } from '../../../../tenancy/scim-path.ts'
import { scimBaseUrls } from '../../../admin/tenants.ts'
import type { AdminDependencies } from '../../../control/env.ts'
import { TENANT, tenantHere } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { hereOf } from '../../here.ts'
import { Card, Copy } from '../../parts.tsx'
import { KeysCard, NewKey } from '../keys/api-key-parts.tsx'
import { ownersOf } from '../keys/key-owners.ts'
import { SelfTestCard } from './self-test.tsx'

const ROWS = 20

/** `…/connection` of a tenant: what its identity provider is given, its keys, and a test of both. */
export function connectionPage(app: ConsoleApp, { config }: Pick<AdminDependencies, 'config'>): void {
  app.get(`${TENANT}/connection`, async (c) => {
    const { project, environment, tenant, scope } = await tenantHere(c)
    const { path, crumbs } = await hereOf(c)
    const urls = scimBaseUrls(c, config, { project, environment }, tenant.key)
    const keys = await apiKeysWithin(c.var.database, scope).list({ after: undefined, limit: ROWS + 1 })
    return c.render(
      <>
        <h1>Connection</h1>
        <Card title="Base URLs">
          <p class="quiet small">For the identity provider. A click selects one.</p>
          {urls.map((url) => (
            <Copy text={url} />
          ))}
          <p class="quiet small">
            For logouts by Global Token Revocation, which Okta calls Universal Logout. Takes <code>logoutIssuers</code>{' '}
            in the <a href={`${path}/settings`}>settings</a>.
          </p>
          <Copy text={logoutUrlAt(urls[0])} />
          <p>
            <a href={`${path}/setup-links`}>Set-up links</a> let an IT admin of the customer connect it.
          </p>
        </Card>
        <KeysCard keys={keys} owners={await ownersOf(c, keys)} limit={ROWS} path={path}>
          <NewKey path={path} by={c.var.principal} />
        </KeysCard>
        <SelfTestCard path={path} />
      </>,
      { title: 'Connection', crumbs },
    )
  })
}
