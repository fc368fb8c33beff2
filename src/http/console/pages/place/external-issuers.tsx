import type { ExternalIssuers } from '../../../../auth/external-issuers.ts'
import { effectiveSettings } from '../../../../tenancy/settings.ts'
import { type IssuerState, issuerStates } from '../../../control/issuer-states.ts'
import type { ConsoleApp } from '../../env.ts'
import { Badge, Card, counted, Table } from '../../parts.tsx'
import { placeHere, rowOf, WITH_SETTINGS } from './here.ts'

/**
 * `…/external-issuers` of environments and tenants: whose JWTs are taken in the place of keys, and who may end sessions, each asked
 * for its keys now.
 */
export function externalIssuersPage(
  app: ConsoleApp,
  { externalIssuers }: { readonly externalIssuers: ExternalIssuers },
): void {
  for (const address of WITH_SETTINGS) {
    app.get(`${address}/external-issuers`, async (c) => {
      const place = await placeHere(c)
      const own = place.kind === 'tenant' ? rowOf(place).settings : {}
      const inForce = effectiveSettings(place.environment.settings, own)
      return c.render(<Issuers states={await issuerStates(externalIssuers, inForce)} path={place.path} />, {
        title: 'External issuers',
        crumbs: [...place.crumbs, { name: 'Settings', path: `${place.path}/settings` }],
      })
    })
  }
}

function Issuers({ states, path }: { states: readonly IssuerState[]; path: string }) {
  return (
    <>
      <div class="head">
        <h1>External issuers</h1>
        <p class="quiet">
          The gateway takes their JWTs in the place of API keys, or to end sessions. It asked each just now.
        </p>
      </div>
      <Card title="Issuers in force">
        {states.length === 0 ? (
          <p class="quiet">There are none.</p>
        ) : (
          <Table head={['Name', 'Setting', 'Issuer', 'Address of its keys', 'State']} label="Issuers in force">
            {states.map(({ setting, name, issuer, jwksUri, keys, problem }) => (
              <tr>
                <td>{name}</td>
                <td>{setting}</td>
                <td class="long">{issuer}</td>
                <td class="long">
                  <code>{jwksUri}</code>
                </td>
                <td class="long">
                  {keys === null ? (
                    <>
                      <Badge tone="bad">not to be had</Badge> {problem}
                    </>
                  ) : (
                    <Badge tone={keys === 0 ? 'bad' : 'good'}>{counted(keys, 'key')}</Badge>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        )}
        <p>
          The settings <a href={`${path}/settings`}>externalIssuers and logoutIssuers</a> name them.
        </p>
      </Card>
    </>
  )
}
