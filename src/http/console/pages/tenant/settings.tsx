import { TENANT, tenantHere } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { hereOf } from '../../here.ts'
import { SettingsCard } from '../settings.tsx'

/** `…/settings` of a tenant: those in force, and where each comes from. */
export function settingsPage(app: ConsoleApp): void {
  app.get(`${TENANT}/settings`, async (c) => {
    const { environment, tenant } = await tenantHere(c)
    const { crumbs } = await hereOf(c)
    return c.render(
      <>
        <h1>Settings</h1>
        <SettingsCard environment={environment.settings} tenant={tenant.settings} />
      </>,
      { title: 'Settings', crumbs },
    )
  })
}
