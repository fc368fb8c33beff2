import { z } from 'zod'
import { addPublicKey, removePublicKey } from '../../../../administration/keys/public-keys.ts'
import type { ApiKeyRow } from '../../../../repositories/control/api-keys.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf } from '../../forms.ts'
import { hereOf, PLACES } from '../../here.ts'
import { Action, Card, Form, Moment, Table } from '../../parts.tsx'
import { jsonIn } from '../place/fields.tsx'

const newPublicKey = z.object({
  jwk: z
    .string()
    .transform((text) => jsonIn(text, 'jwk'))
    .pipe(z.record(z.string(), z.unknown())),
})

/** `…/api-keys/{id}/public-keys`: with which clients prove who they are at `/oauth/token`, in place of a secret. */
export function publicKeyActions(app: ConsoleApp): void {
  for (const place of PLACES) {
    const address = `${place}/api-keys/:k/public-keys`
    app.post(address, async (c) => {
      const { scope, path } = await hereOf(c)
      const id = c.req.param('k') ?? ''
      const { jwk } = fieldsOf(c.var.form, newPublicKey)
      await addPublicKey(c.var.administration, scope, id, jwk, c.var.principal)
      return done(c, `${path}/api-keys/${id}`, 'public-key-added')
    })

    app.post(`${address}/:thumbprint/remove`, async (c) => {
      const { scope, path } = await hereOf(c)
      const id = c.req.param('k') ?? ''
      await removePublicKey(c.var.administration, scope, id, c.req.param('thumbprint') ?? '')
      return done(c, `${path}/api-keys/${id}`, 'public-key-removed')
    })
  }
}

/** The public keys of an API key, and how to add one. @param path of the page of the API key */
export function PublicKeysCard({ row: { publicKeys, revokedAt }, path }: { row: ApiKeyRow; path: string }) {
  const good = revokedAt === null
  if (!good && publicKeys.length === 0) return null
  return (
    <Card title="Public keys">
      <p class="quiet small">
        A client that signs with the private half gets access tokens at <code>/oauth/token</code>, without a secret.
      </p>
      {publicKeys.length > 0 && (
        <Table head={['Thumbprint', 'Algorithm', 'Added', 'Last used', 'By', 'Action']} label="Public keys">
          {publicKeys.map(({ thumbprint, algorithm, createdAt, lastUsedAt, lastUsedBy }) => (
            <tr>
              <td class="long">
                <code>{thumbprint}</code>
              </td>
              <td>{algorithm}</td>
              <td>
                <Moment at={createdAt} />
              </td>
              <td>
                <Moment at={lastUsedAt} />
              </td>
              <td>{lastUsedBy ?? ''}</td>
              <td>
                {good && (
                  <Action
                    action={`${path}/public-keys/${thumbprint}/remove`}
                    label="Remove"
                    ask="Access tokens that a client got with it end within a second."
                    tone="bad"
                  />
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
      {good && (
        <details class="more">
          <summary>Add a public key …</summary>
          <Form action={`${path}/public-keys`} class="fields">
            <label>
              Public key, as a JWK
              <textarea name="jwk" rows={6} required spellcheck={false} placeholder={EXAMPLE} />
              <small>P-256, P-384, Ed25519, or RSA of 2,048 bits or more. Never the private half.</small>
            </label>
            <button type="submit" class="main">
              Add it
            </button>
          </Form>
        </details>
      )}
    </Card>
  )
}

const EXAMPLE = '{"kty": "OKP", "crv": "Ed25519", "x": "…"}'
