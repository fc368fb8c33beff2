import { apiKeyWarnings } from '../../../../administration/keys/key-warnings.ts'
import { rotationOf } from '../../../../auth/key-secrets.ts'
import type { ApiKeyRow } from '../../../../repositories/control/api-keys.ts'
import { Action, Card, Form, Moment, Table } from '../../parts.tsx'
import { pathOf } from '../../paths.ts'
import { Expiry, FormId, KeyState, Owner } from './api-key-parts.tsx'
import type { KeyOwner } from './key-owners.ts'
import { PublicKeysCard } from './public-keys.tsx'
import { TrustsCard } from './trusts.tsx'

/** One key: what it may, who uses it, and how its rotation goes. @param path of this page */
export function KeyPage({ row, owner, path }: { row: ApiKeyRow; owner: KeyOwner | undefined; path: string }) {
  const now = new Date()
  const warnings = apiKeyWarnings(row, now)
  const tone = row.expiresAt !== null && row.expiresAt <= now ? 'warning bad' : 'warning'
  return (
    <>
      <div class="head">
        <h1>{row.name}</h1>
        <KeyState row={row} />
      </div>
      {warnings.map((warning) => (
        <p class={tone}>{warning}</p>
      ))}
      <Card title="Key">
        <dl class="facts">
          <dt>Id</dt>
          <dd>
            <code>{row.id}</code>
          </dd>
          <dt>Whose</dt>
          <dd>
            <Owner owner={owner} />
          </dd>
          <dt>May</dt>
          <dd>{row.permissions.join(', ')}</dd>
          {row.permissions.includes('admin') && (
            <>
              <dt>Its tokens</dt>
              <dd>may{row.tokensMayMintAdminKeys ? '' : ' not'} make keys with admin</dd>
            </>
          )}
          <dt>Made</dt>
          <dd>
            <Moment at={row.createdAt} />
          </dd>
          <dt>Expires</dt>
          <dd>
            <Moment at={row.expiresAt} />
          </dd>
          {row.revokedAt && (
            <>
              <dt>Revoked</dt>
              <dd>
                <Moment at={row.revokedAt} />
              </dd>
            </>
          )}
        </dl>
        {row.scope.kind === 'tenant' && (
          <p>
            <a href={`${pathOf(row.scope)}/requests?key=${row.id}&status=4xx`}>Its refused requests</a>
          </p>
        )}
      </Card>
      <Card title="Secrets">
        <Table head={['Version', 'Made', 'Ends', 'Last used', 'By']} label="Secrets">
          {row.secrets.map((secret) => (
            <tr>
              <td class="num">{secret.version}</td>
              <td>
                <Moment at={secret.createdAt} />
              </td>
              <td>
                {secret.endsOnUse ? 'when the new one is used' : <Moment at={secret.endsAt ?? secret.expiresAt} />}
              </td>
              <td>
                <Moment at={secret.lastUsedAt} />
              </td>
              <td>{secret.lastUsedBy ?? ''}</td>
            </tr>
          ))}
        </Table>
      </Card>
      <PublicKeysCard row={row} path={path} />
      <TrustsCard row={row} path={path} />
      {row.revokedAt === null && <KeyActions row={row} path={path} now={now} />}
    </>
  )
}

function KeyActions({ row, path, now }: { row: ApiKeyRow; path: string; now: Date }) {
  const rotating = rotationOf(row.secrets, now)
  return (
    <Card title="What to do">
      {rotating ? (
        <div class="actions">
          <Action
            action={`${path}/end-rotation`}
            label="End the old secret"
            ask={`A client that still uses secret ${rotating.from.version} gets 401 from then on.`}
          />
          <Action
            action={`${path}/undo-rotation`}
            label="Undo the rotation"
            ask={`Secret ${rotating.to.version} ends at once, and secret ${rotating.from.version} stays.`}
          />
          <Revoke path={path} />
        </div>
      ) : (
        <div class="actions">
          <details>
            <summary>Rotate …</summary>
            <Form action={`${path}/rotate`} class="fields">
              <FormId />
              <p class="small">A new secret, good at once, under the same id.</p>
              <label>
                The old secret ends
                <select name="old">
                  <option value="day">after a day</option>
                  <option value="use">once the new one was used</option>
                  <option value="now">at once: it has leaked</option>
                </select>
              </label>
              <Expiry label="after as long again" />
              <button type="submit" class="main">
                Rotate
              </button>
            </Form>
          </details>
          {row.permissions.includes('admin') && <TokenRights row={row} path={path} />}
          <Revoke path={path} />
        </div>
      )}
    </Card>
  )
}

function TokenRights({ row: { tokensMayMintAdminKeys: may }, path }: { row: ApiKeyRow; path: string }) {
  const label = may ? 'Let its tokens make no admin keys' : 'Let its tokens make admin keys'
  const ask = may
    ? 'Who has an access token of it makes no keys with admin from then on.'
    : 'Who gets hold of an access token, good for an hour, can then make a key that lives as long as this one.'
  return <Action action={`${path}/token-rights`} label={label} ask={ask} fields={{ may: String(!may) }} />
}

function Revoke({ path }: { path: string }) {
  const ask = 'For good: clients that use it get 401 within a second. To replace it without a gap, rotate it.'
  return <Action action={`${path}/revoke`} label="Revoke" ask={ask} tone="bad" />
}
