import { z } from 'zod'
import { DECISIONS, decide, decideByRule } from '../../../../administration/accounts/reviews.ts'
import { accountReviewsOf, type Candidate } from '../../../../repositories/accounts/reviews.ts'
import { domainName, SAME_BY } from '../../../../tenancy/adoption.ts'
import { accountId } from '../../../admin/accounts/account-shapes.ts'
import { presentReview } from '../../../admin/accounts/reviews.ts'
import { needsPeople, TENANT, tenantHere } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf, queryOf } from '../../forms.ts'
import { hereOf } from '../../here.ts'
import { Action, Badge, Card, counted, Form, Pager, Table } from '../../parts.tsx'
import { AccountTabs } from './tabs.tsx'

const ROWS = 50

/** `…/accounts` of a tenant: users who may be people with accounts, and the forms that decide about them. */
export function reviewPage(app: ConsoleApp): void {
  app.get(`${TENANT}/accounts`, async (c) => {
    needsPeople(c)
    const { tenant } = await tenantHere(c)
    const { path, crumbs } = await hereOf(c)
    const { after } = queryOf(c, z.object({ after: z.uuid().optional() }))
    const queue = accountReviewsOf(c.var.database, tenant.id)
    const [{ items, next }, waiting] = [await queue.list({ after, limit: ROWS }), await queue.count()]
    const here = `${path}/accounts`
    return c.render(
      <>
        <h1>Accounts</h1>
        <AccountTabs path={path} current="accounts" />
        <Card
          title="Waiting for a decision"
          aside={<Badge tone={waiting > 0 ? 'warn' : 'good'}>{counted(waiting, 'user')}</Badge>}
        >
          {tenant.accountsSince === null && (
            <p class="quiet">The application has posted no accounts, so no user is compared with any.</p>
          )}
          {items.length === 0 ? (
            <p class="quiet">Nobody waits.</p>
          ) : (
            <Waiting items={items.map(presentReview)} path={path} />
          )}
          <Pager next={next && `${here}?after=${next}`} first={after && here} />
        </Card>
        {waiting > 0 && <ByRule path={path} />}
      </>,
      { title: 'Accounts', crumbs },
    )
  })

  app.post(`${TENANT}/accounts/decide`, async (c) => {
    needsPeople(c)
    const { scope } = await tenantHere(c)
    const { path } = await hereOf(c)
    const shape = z.object({ decision: z.enum(DECISIONS), user: z.uuid(), account: accountId.optional() })
    await decide(c.var.administration, scope, fieldsOf(c.var.form, shape))
    return done(c, `${path}/accounts`, 'decided')
  })
  app.post(`${TENANT}/accounts/decide-by-rule`, async (c) => {
    needsPeople(c)
    const { scope } = await tenantHere(c)
    const { path } = await hereOf(c)
    const { decision, by, domain } = fieldsOf(
      c.var.form,
      z.object({
        decision: z.enum(['confirm', 'separate']),
        by: z.enum(SAME_BY).optional(),
        domain: z
          .string()
          .refine((text) => domainName(text) !== undefined, 'must be a domain such as acme.example')
          .optional(),
      }),
    )
    const rule = { by, domain: domain && domainName(domain) }
    const until = performance.now() + DECIDES_FOR_MS
    for (let after: string | undefined, more = true; more && performance.now() < until; ) {
      const step = await decideByRule(c.var.administration, scope, decision, rule, after)
      after = step.next
      more = step.next !== undefined
    }
    return done(c, `${path}/accounts`, 'decided')
  })
}

/** One form decides for so long; who are left are decided about by sending it again. */
const DECIDES_FOR_MS = 4_000

function Waiting({ items, path }: { items: readonly ReturnType<typeof presentReview>[]; path: string }) {
  return (
    <Table head={['User', 'May have the account', 'In common', 'Decision']} label="Users who wait">
      {items.flatMap(({ id, userName, displayName, candidates }) =>
        candidates.map((candidate, i) => (
          <tr>
            <td class="long">
              {i === 0 && (
                <>
                  <a href={`${path}/users/${id}`}>{displayName ?? userName ?? id}</a>
                  <br />
                  <span class="quiet small">{userName}</span>
                </>
              )}
            </td>
            <td class="long">
              <Account of={candidate} path={path} />
            </td>
            <td>{candidate.by}</td>
            <td>
              <Decisions user={id} account={candidate.account} several={candidates.length > 1} path={path} />
            </td>
          </tr>
        )),
      )}
    </Table>
  )
}

function Account(props: { of: Omit<Candidate, 'userId'> & { readonly user: string | null }; path: string }) {
  const { of, path } = props
  const { account, userName, displayName, addresses, active, user } = of
  return (
    <>
      <code>{account}</code> {displayName ?? userName ?? ''} {!active && <Badge>not active</Badge>}
      <br />
      <span class="quiet small">{addresses.map(({ value }) => value).join(', ')}</span>
      {user !== null && (
        <>
          {' '}
          <a href={`${path}/users/${user}`}>another user has it</a>
        </>
      )}
    </>
  )
}

function Decisions(props: { user: string; account: string; several: boolean; path: string }) {
  const { user, account, several, path } = props
  const action = `${path}/accounts/decide`
  const button = (decision: string, label: string, ask: string, tone?: 'main') => (
    <Action action={action} label={label} ask={ask} {...(tone && { tone })} fields={{ decision, user, account }} />
  )
  return (
    <div class="row">
      {button('confirm', `Confirm ${account}`, 'The user has this account. The application is told.', 'main')}
      {button('separate', `Separate ${account}`, 'They are not the same person, and are never matched again.')}
      {several &&
        button('merge', `Merge into ${account}`, 'The user has this account, and the others are the same person’s.')}
    </div>
  )
}

function ByRule({ path }: { path: string }) {
  return (
    <Card title="Decide by a rule">
      <Form action={`${path}/accounts/decide-by-rule`} class="fields">
        <p class="small">About all users who wait and may have one account alone, which nobody has yet.</p>
        <label>
          Decision
          <select name="decision">
            <option value="confirm">confirm: each has the account</option>
            <option value="separate">separate: none has it</option>
          </select>
        </label>
        <label>
          In common
          <select name="by">
            <option value="">anything</option>
            {SAME_BY.map((by) => (
              <option value={by}>{by}</option>
            ))}
          </select>
        </label>
        <label>
          Domain
          <input name="domain" maxlength={253} placeholder="acme.example" />
          <small>Of the userName or of an address; may be empty.</small>
        </label>
        <button type="submit" class="main">
          Decide
        </button>
      </Form>
    </Card>
  )
}
