import { z } from 'zod'
import { addTrust, removeTrust } from '../../../../administration/keys/trusts.ts'
import type { Networks } from '../../../../network/delivery-address.ts'
import type { ApiKeyRow } from '../../../../repositories/control/api-keys.ts'
import type { TrustRow } from '../../../../repositories/control/keys/api-key-trusts.ts'
import { CLIENT_ALGORITHMS } from '../../../../signing/client-key.ts'
import { newTrust } from '../../../control/trusts.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf } from '../../forms.ts'
import { hereOf, PLACES } from '../../here.ts'
import { Action, Card, Form, Moment, Table } from '../../parts.tsx'

const linesOf = (text: unknown): unknown =>
  typeof text === 'string' ? text.split(/\r?\n/).flatMap((line) => line.trim() || []) : text
/** The form has one audience a line, and of one algorithm the text alone. */
const filledIn = z.object({
  ...newTrust.shape,
  audiences: z.preprocess(linesOf, newTrust.shape.audiences),
  algorithms: z.preprocess((chosen) => (chosen === undefined ? [] : [chosen].flat()), newTrust.shape.algorithms),
})

/** `…/api-keys/{id}/trusts`: issuers whose assertions `/oauth/token` takes for the API key, in place of a secret. */
export function trustActions(app: ConsoleApp, { networks }: { readonly networks: Networks }): void {
  for (const place of PLACES) {
    const address = `${place}/api-keys/:k/trusts`
    app.post(address, async (c) => {
      const { scope, path } = await hereOf(c)
      const id = c.req.param('k') ?? ''
      const given = fieldsOf(c.var.form, filledIn)
      await addTrust(c.var.administration, networks, scope, id, given, c.var.principal)
      return done(c, `${path}/api-keys/${id}`, 'trust-added')
    })

    app.post(`${address}/:trust/remove`, async (c) => {
      const { scope, path } = await hereOf(c)
      const id = c.req.param('k') ?? ''
      await removeTrust(c.var.administration, scope, id, c.req.param('trust') ?? '')
      return done(c, `${path}/api-keys/${id}`, 'trust-removed')
    })
  }
}

/** The issuers that an API key trusts, and how to add one. @param path of the page of the API key */
export function TrustsCard({ row: { trusts, revokedAt }, path }: { row: ApiKeyRow; path: string }) {
  const good = revokedAt === null
  if (!good && trusts.length === 0) return null
  return (
    <Card title="Trusted issuers">
      <p class="quiet small">
        A workload of such an issuer gets access tokens at <code>/oauth/token</code> by an assertion, without a secret
        (workload identity federation).
      </p>
      {trusts.length > 0 && (
        <Table
          head={['Issuer', 'Subject', 'Audiences', 'Keys at', 'Added', 'Last used', 'Action']}
          label="Trusted issuers"
        >
          {trusts.map((trust) => (
            <Trust trust={trust} path={path} good={good} />
          ))}
        </Table>
      )}
      {good && (
        <details class="more">
          <summary>Trust an issuer …</summary>
          <Form action={`${path}/trusts`} class="fields">
            <label>
              Issuer
              <input name="issuer" type="url" required maxlength={500} placeholder={`${ENTRA}/v2.0`} />
              <small>Equals iss of the assertion, letter by letter.</small>
            </label>
            <label>
              Address of its keys
              <input name="jwksUri" type="url" required maxlength={2000} placeholder={`${ENTRA}/discovery/v2.0/keys`} />
            </label>
            <label>
              Subject
              <input name="subject" required maxlength={500} />
              <small>Equals sub: the one workload that may use this key. Of Entra ID, its object id.</small>
            </label>
            <label>
              Audiences
              <textarea name="audiences" rows={2} required spellcheck={false} placeholder="api://…" />
              <small>One a line, up to five. One of them equals aud, which names no other.</small>
            </label>
            <fieldset>
              <legend>It may sign with</legend>
              {CLIENT_ALGORITHMS.map((algorithm) => (
                <label class="box">
                  <input type="checkbox" name="algorithms" value={algorithm} checked={algorithm === 'RS256'} />
                  <code>{algorithm}</code>
                </label>
              ))}
            </fieldset>
            <button type="submit" class="main">
              Trust it
            </button>
          </Form>
        </details>
      )}
    </Card>
  )
}

function Trust({ trust, path, good }: { trust: TrustRow; path: string; good: boolean }) {
  const { id, issuer, jwksUri, subject, audiences, algorithms, createdAt, lastUsedAt, lastUsedBy } = trust
  return (
    <tr>
      <td class="long">{issuer}</td>
      <td class="long">{subject}</td>
      <td class="long">{audiences.join(', ')}</td>
      <td class="long">
        {jwksUri} <small>{algorithms.join(', ')}</small>
      </td>
      <td>
        <Moment at={createdAt} />
      </td>
      <td>
        <Moment at={lastUsedAt} /> {lastUsedBy ?? ''}
      </td>
      <td>
        {good && (
          <Action
            action={`${path}/trusts/${id}/remove`}
            label="Remove"
            ask="Access tokens that a workload got by it end within a second."
            tone="bad"
          />
        )}
      </td>
    </tr>
  )
}

const ENTRA = 'https://login.microsoftonline.com/…'
