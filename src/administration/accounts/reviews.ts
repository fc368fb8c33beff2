import type { Scope } from '../../auth/principal.ts'
import { accountsOfUsers } from '../../repositories/accounts/links.ts'
import { accountReviewsOf, type Pair, type ReviewItem } from '../../repositories/accounts/reviews.ts'
import type { Resource } from '../../scim/resource.ts'
import { isObject } from '../../scim/resource.ts'
import { domainOf, type SameBy } from '../../tenancy/adoption.ts'
import { reviewRecord } from '../audit-records.ts'
import { type Administration, change } from '../change.ts'
import { Refusal } from '../refusal.ts'

type TenantScope = Extract<Scope, { kind: 'tenant' }>

export const DECISIONS = ['confirm', 'separate', 'merge'] as const

/** A decision about one user. */
export interface Decision {
  /**
   * `confirm`: the user has this account. `separate`: the two are not the same person. `merge`: the user has this account, and all
   * other accounts that the user may have are the same person's.
   */
  readonly decision: (typeof DECISIONS)[number]
  readonly user: string
  /** Needed where the user may have several; without it, `separate` is about all of them. */
  readonly account?: string | undefined
}

/** Which users a decision is about that is made for many. */
export interface ReviewRule {
  /** What the user and the only account that it may have have in common. */
  readonly by?: SameBy | undefined
  /** The domain of the user's `userName` or of one of its addresses. */
  readonly domain?: string | undefined
}

/** Users that one request decides about by a rule. */
const DECIDED_AT_ONCE = 200

/** Decides about one user, which the audit trail keeps. @throws {Refusal} 400, 404; 409 where the account has another user */
export function decide(administration: Administration, scope: TenantScope, decided: Decision): Promise<Pair[]> {
  return change(administration, async (tx, record) => {
    const { decision, user, account } = decided
    const reviews = accountReviewsOf(tx, scope.tenantId)
    const [item] = (await reviews.list({ only: user, limit: 1 })).items
    const candidates = (item?.candidates ?? []).map((one) => one.account)
    if (account === undefined && candidates.length === 0) throw Refusal.notFound('user in the review queue', user)
    if (account === undefined && candidates.length > 1 && decision !== 'separate')
      throw new Refusal(400, `The user may have several accounts: name one of ${candidates.slice(0, 10).join(', ')}.`)
    const chosen = account ?? (candidates[0] as string)
    const asking = askingOf(administration)
    const done = (pairs: readonly Pair[], merged: readonly string[] = []) => {
      record(reviewRecord(scope, decision, { user, pairs, merged }))
      return [...pairs]
    }
    if (decision === 'separate') {
      const pairs = (account === undefined ? candidates : [account]).map((one) => ({ user, account: one }))
      const separated = await reviews.separate(pairs, asking)
      if (separated.length === 0) throw notLinked(user, chosen)
      return done(separated)
    }
    const linked = await reviews.link([{ user, account: chosen }], asking)
    if (linked.length === 0) {
      const has = (await accountsOfUsers(tx, scope.tenantId, [user])).get(user)
      if (has !== chosen || decision === 'merge') throw notLinked(user, chosen)
      return [{ user, account: chosen }]
    }
    if (decision === 'confirm') return done(linked)
    const others = candidates.filter((one) => one !== chosen)
    const merged = others.length === 0 ? [] : await reviews.merge(others, chosen, asking)
    if (merged.length < others.length)
      throw new Refusal(
        409,
        'One of the other accounts has a user of its own, so it cannot be merged. Separate the two first.',
      )
    return done(linked, merged)
  })
}

const notLinked = (user: string, account: string): Refusal =>
  new Refusal(
    409,
    `Nothing was decided about the account "${account.slice(0, 64)}" and the user "${user.slice(0, 64)}": one of the two is not there, or has another partner, or the account was merged. Separate it from that partner first.`,
  )

/**
 * Decides about users of the queue who have one candidate alone and meet a rule, up to 200, after the user with the id `after`. Gives
 * the pairs, and where the next request goes on.
 */
export function decideByRule(
  administration: Administration,
  scope: TenantScope,
  decision: 'confirm' | 'separate',
  rule: ReviewRule,
  after: string | undefined,
): Promise<{ decided: Pair[]; next: string | undefined }> {
  return change(administration, async (tx, record) => {
    const reviews = accountReviewsOf(tx, scope.tenantId)
    const { items, next } = await reviews.list({ after, limit: DECIDED_AT_ONCE })
    const pairs = items.flatMap((item): Pair[] => {
      const [only, ...more] = item.candidates
      const fits = only !== undefined && more.length === 0 && only.userId === null && meets(item, only.by, rule)
      return fits ? [{ user: item.id, account: only.account }] : []
    })
    if (pairs.length === 0) return { decided: [], next }
    const asking = askingOf(administration)
    const decided = await (decision === 'separate' ? reviews.separate(pairs, asking) : reviews.link(pairs, asking))
    record(reviewRecord(scope, decision, { rule: { ...rule }, pairs: decided, merged: [] }))
    return { decided, next }
  })
}

function meets({ document }: ReviewItem, by: SameBy, rule: ReviewRule): boolean {
  if (rule.by !== undefined && rule.by !== by) return false
  if (rule.domain === undefined) return true
  const { userName, emails } = JSON.parse(document) as Resource
  const addresses = (Array.isArray(emails) ? emails : []).flatMap((one) => (isObject(one) ? [one.value] : []))
  return [userName, ...addresses].some((text) => typeof text === 'string' && domainOf(text) === rule.domain)
}

const askingOf = ({ author }: Administration) => ({ requestId: author.requestId ?? '', actor: author.actor })
