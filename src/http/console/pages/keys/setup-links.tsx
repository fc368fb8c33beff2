import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import {
  createSetupLink,
  LONGEST_LINK_DAYS,
  type MintedSetupLink,
  MOST_VISITORS,
  revokeSetupLink,
  USUAL_LINK_DAYS,
  USUAL_VISITORS,
} from '../../../../administration/keys/setup-links.ts'
import { isMintedId } from '../../../../auth/minted-secret.ts'
import { type SetupLinkRow, setupLinksOf } from '../../../../repositories/control/keys/setup-links.ts'
import { IDENTITY_PROVIDER_NAMES, IDENTITY_PROVIDERS } from '../../../../tenancy/identity-providers.ts'
import type { AdminDependencies } from '../../../control/env.ts'
import { nameText } from '../../../control/schemas.ts'
import { setupUrl } from '../../../control/setup-urls.ts'
import { TENANT, tenantHere } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf, queryOf } from '../../forms.ts'
import { hereOf } from '../../here.ts'
import { FORM_ID_FIELD, oncePerForm } from '../../once.ts'
import { Action, Badge, Card, Copy, cut, Form, Moment, Pager, Table, type Tone } from '../../parts.tsx'

const ROWS = 50
const DAY_MS = 86_400_000

const newLink = z.object({
  name: nameText,
  identityProvider: z.enum(IDENTITY_PROVIDER_NAMES).optional(),
  expiresInDays: z.coerce.number().int().min(1).max(LONGEST_LINK_DAYS).optional(),
  maxVisitors: z.coerce.number().int().min(1).max(MOST_VISITORS).optional(),
})
const afterQuery = z.object({ after: z.string().refine(isMintedId, 'must be the id of a set-up link').optional() })

/** `…/setup-links` of a tenant: links by which an IT admin of the customer connects an identity provider. */
export function setupLinkPages(app: ConsoleApp, { config }: Pick<AdminDependencies, 'config'>): void {
  const once = oncePerForm()

  app.get(`${TENANT}/setup-links`, async (c) => {
    const { tenant } = await tenantHere(c)
    const { path, crumbs } = await hereOf(c)
    const { after } = queryOf(c, afterQuery)
    const rows = await setupLinksOf(c.var.database, tenant.id).list({ after, limit: ROWS + 1 })
    const { page, last } = cut(rows, ROWS)
    const here = `${path}/setup-links`
    return c.render(
      <>
        <h1>Set-up links</h1>
        <Card title="Links">
          <p class="quiet small">
            Who has a link connects the identity provider of {tenant.name}: makes its tokens, follows its steps and sees
            what arrives. A link opens nothing else.
          </p>
          {page.length === 0 ? <p class="quiet">There are none yet.</p> : <Links links={page} path={here} />}
          <Pager next={last && `${here}?after=${last.id}`} first={after && here} />
          <NewLink path={here} />
        </Card>
      </>,
      { title: 'Set-up links', crumbs },
    )
  })

  // A form that was sent before leads here; the list has what it made.
  app.get(`${TENANT}/setup-links/:link`, async (c) => {
    const { path } = await hereOf(c)
    return done(c, `${path}/setup-links`, 'shown-before')
  })

  app.post(`${TENANT}/setup-links`, async (c) => {
    const { scope } = await tenantHere(c)
    const { path, crumbs } = await hereOf(c)
    const { expiresInDays, ...input } = fieldsOf(c.var.form, newLink)
    const expiresAt = expiresInDays === undefined ? undefined : new Date(Date.now() + expiresInDays * DAY_MS)
    return once(
      c,
      `${path}/setup-links`,
      (administration) => createSetupLink(administration, scope, { ...input, expiresAt }, c.var.principal),
      (made) =>
        c.render(<ShownOnce made={made} url={setupUrl(c, config, made.secret)} list={`${path}/setup-links`} />, {
          title: made.name,
          crumbs,
        }),
    )
  })

  app.post(`${TENANT}/setup-links/:link/revoke`, async (c) => {
    const { scope } = await tenantHere(c)
    const { path } = await hereOf(c)
    await revokeSetupLink(c.var.administration, scope, c.req.param('link'))
    return done(c, `${path}/setup-links`, 'link-revoked')
  })
}

function Links({ links, path }: { links: readonly SetupLinkRow[]; path: string }) {
  return (
    <Table head={['Link', 'Identity provider', 'Visitors', 'Last visit', 'State', 'Action']} label="Set-up links">
      {links.map((link) => {
        const { tone, text } = stateOf(link, new Date())
        return (
          <tr>
            <td class="long">
              {link.name}
              <br />
              <code>{link.id}</code>
            </td>
            <td>{link.identityProvider === null ? '' : IDENTITY_PROVIDERS[link.identityProvider]}</td>
            <td class="num">
              {link.visitors} of {link.mostVisitors}
            </td>
            <td>
              <Moment at={link.visitedAt} />
            </td>
            <td>
              <Badge tone={tone}>{text}</Badge> {tone === 'good' && <Moment at={link.expiresAt} />}
            </td>
            <td>
              {tone === 'good' && (
                <Action
                  action={`${path}/${link.id}/revoke`}
                  label="Revoke"
                  ask="It opens nothing any more, and its visitors are out. The tokens that they made stay."
                  tone="bad"
                />
              )}
            </td>
          </tr>
        )
      })}
    </Table>
  )
}

function stateOf({ revokedAt, expiresAt }: SetupLinkRow, now: Date): { tone: Tone; text: string } {
  if (revokedAt !== null) return { tone: 'plain', text: 'revoked' }
  return expiresAt <= now ? { tone: 'plain', text: 'expired' } : { tone: 'good', text: 'good, ends' }
}

function NewLink({ path }: { path: string }) {
  return (
    <details class="more">
      <summary>New link …</summary>
      <Form action={path} class="fields">
        <input type="hidden" name={FORM_ID_FIELD} value={randomUUID()} />
        <label>
          Name
          <input name="name" required maxlength={200} placeholder="IT of Acme" />
          <small>Whom it is for. The audit log names its visitors by it.</small>
        </label>
        <label>
          Identity provider
          <select name="identityProvider">
            <option value="">the visitor chooses</option>
            {IDENTITY_PROVIDER_NAMES.map((name) => (
              <option value={name}>{IDENTITY_PROVIDERS[name]}</option>
            ))}
          </select>
        </label>
        <label>
          Ends
          <select name="expiresInDays">
            <option value="">in {USUAL_LINK_DAYS} days, not after the key you signed in with</option>
            {[1, 30, LONGEST_LINK_DAYS].map((days) => (
              <option value={String(days)}>{days === 1 ? 'in a day' : `in ${days} days`}</option>
            ))}
          </select>
        </label>
        <label>
          Visitors
          <input name="maxVisitors" type="number" min="1" max={MOST_VISITORS} value={String(USUAL_VISITORS)} />
          <small>So many browsers may begin with it.</small>
        </label>
        <button type="submit" class="main">
          Make the link
        </button>
      </Form>
    </details>
  )
}

function ShownOnce({ made, url, list }: { made: MintedSetupLink; url: string; list: string }) {
  return (
    <>
      <h1>{made.name}</h1>
      <Card title="Set-up link">
        <p class="warning">This link is shown this once and kept nowhere. Copy it now; a click selects it.</p>
        <Copy text={url} />
        <br />
        <p>
          <a href={list}>I have it; show all links</a>
        </p>
      </Card>
    </>
  )
}
