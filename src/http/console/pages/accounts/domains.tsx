import { z } from 'zod'
import { addDomain, deleteDomain, setDomain, verifyDomain } from '../../../../administration/accounts/domains.ts'
import { covers } from '../../../../auth/principal.ts'
import { domainsOf } from '../../../../repositories/accounts/domains.ts'
import { presentDomain } from '../../../admin/accounts/domains.ts'
import type { AdminDependencies } from '../../../control/env.ts'
import { TENANT, tenantHere } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf, queryOf } from '../../forms.ts'
import { hereOf } from '../../here.ts'
import { Action, Badge, Card, Copy, cut, Form, Pager, Table } from '../../parts.tsx'
import { AccountTabs } from './tabs.tsx'

const ROWS = 50
const shape = z.object({ domain: z.string().max(253) })

/** `…/domains` of a tenant: domains of e-mail addresses that are its own, and how to prove that. */
export function domainPages(app: ConsoleApp, { config }: Pick<AdminDependencies, 'config'>): void {
  app.get(`${TENANT}/domains`, async (c) => {
    const { tenant, environment, scope } = await tenantHere(c)
    const { path, crumbs } = await hereOf(c)
    const { after } = queryOf(c, z.object({ after: z.string().max(253).optional() }))
    const rows = await domainsOf(c.var.database, environment.id, tenant.id).list({ after, limit: ROWS + 1 })
    const { page, last } = cut(rows, ROWS)
    const { kind, tenantId, ...within } = scope
    const maySet = covers(c.var.principal.scope, { kind: 'environment', ...within })
    const here = `${path}/domains`
    return c.render(
      <>
        <h1>Domains</h1>
        <AccountTabs path={path} current="domains" />
        <Card title="Domains of the customer">
          {page.length === 0 ? (
            <p class="quiet">None: no e-mail address proves that a user and an account are the same person.</p>
          ) : (
            <Domains of={page.map(presentDomain)} here={here} maySet={maySet} />
          )}
          <Pager next={last && `${here}?after=${last.domain}`} first={after && here} />
        </Card>
        <Card title="Add a domain">
          <Form action={here} class="fields">
            <label>
              Domain
              <input name="domain" required maxlength={253} placeholder="acme.example" />
              <small>Then make the TXT record that is shown, and verify the domain.</small>
            </label>
            <button type="submit" class="main">
              Add
            </button>
          </Form>
        </Card>
      </>,
      { title: 'Domains', crumbs },
    )
  })

  app.post(`${TENANT}/domains`, async (c) => {
    const { scope } = await tenantHere(c)
    const { path } = await hereOf(c)
    await addDomain(c.var.administration, scope, fieldsOf(c.var.form, shape).domain)
    return done(c, `${path}/domains`, 'domain-added')
  })
  app.post(`${TENANT}/domains/verify`, async (c) => {
    const { scope } = await tenantHere(c)
    const { path } = await hereOf(c)
    await verifyDomain(c.var.administration, scope, fieldsOf(c.var.form, shape).domain, config.dnsServers)
    return done(c, `${path}/domains`, 'domain-verified')
  })
  app.post(`${TENANT}/domains/set`, async (c) => {
    const { scope } = await tenantHere(c)
    const { path } = await hereOf(c)
    const { domain, takeOver } = fieldsOf(c.var.form, shape.extend({ takeOver: z.stringbool().default(false) }))
    await setDomain(c.var.administration, scope, domain, c.var.principal, takeOver)
    return done(c, `${path}/domains`, 'domain-verified')
  })
  app.post(`${TENANT}/domains/delete`, async (c) => {
    const { scope } = await tenantHere(c)
    const { path } = await hereOf(c)
    await deleteDomain(c.var.administration, scope, fieldsOf(c.var.form, shape).domain)
    return done(c, `${path}/domains`, 'deleted')
  })
}

function Domains(props: { of: readonly ReturnType<typeof presentDomain>[]; here: string; maySet: boolean }) {
  const { of, here, maySet } = props
  return (
    <Table head={['Domain', 'Verified', 'TXT record', 'Action']} label="Domains">
      {of.map(({ domain, verified, verifiedBy, record }) => (
        <tr>
          <td class="long">{domain}</td>
          <td>{verified ? <Badge tone="good">by {verifiedBy}</Badge> : <Badge tone="warn">not yet</Badge>}</td>
          <td class="long">
            <Copy text={record.name} />
            <br />
            <Copy text={record.value} />
          </td>
          <td>
            <div class="row">
              {!verified && (
                <Action action={`${here}/verify`} label={`Verify ${domain}`} tone="main" fields={{ domain }} />
              )}
              {!verified && maySet && (
                <Action
                  action={`${here}/set`}
                  label={`Set ${domain}`}
                  ask="You say without DNS that the domain is the customer’s. If another tenant of the environment has verified it, it loses it."
                  fields={{ domain, takeOver: 'true' }}
                />
              )}
              <Action
                action={`${here}/delete`}
                label={`Delete ${domain}`}
                ask="Users who were linked by it stay linked."
                tone="bad"
                fields={{ domain }}
              />
            </div>
          </td>
        </tr>
      ))}
    </Table>
  )
}
