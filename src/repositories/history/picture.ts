import type { Database } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { eventLogOf } from '../log/event-log.ts'
import { snapshotOf } from '../resources/snapshot.ts'
import { rolesOf } from '../roles/roles.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { forgetGrowth, type History, type HistoryStep, noteHistoryStep, takeHistory } from './histories.ts'
import { NAME_OF } from './moves.ts'
import { type GrantSpan, type HistoryRows, historyRows, type StateSpan, type Subject } from './rows.ts'
import { type By, type Span, Spans } from './spans.ts'
import type { Outcome } from './taking.ts'

// The starting picture is read page by page while the tenant goes on. A page may be ahead of the log at the position where the history
// begins. The events since then are applied to it afterwards: what one of them tells of is then as it says, and all else has not changed.

const ROWS_AT_ONCE = 500

/** The parts of a picture, in their order. Before a new one, what is open from before a gap is ended. */
const PARTS = ['grants', 'states', 'resources', 'kept', 'members', 'roles'] as const
type Part = (typeof PARTS)[number]

/** Takes the next page of a tenant's starting picture, in one transaction. */
export async function pictureStep(db: Database, tenantId: TenantId, wait = false): Promise<Outcome> {
  const outcome = await db.transaction(async (tx) => {
    const own = tx.asTenant(tenantId)
    const history = await takeHistory(own, tenantId, wait)
    if (history === undefined) return 'held'
    // Another instance has done the last page meanwhile.
    if (history.phase !== 'ending' && history.phase !== 'picture') return 'more'
    if (history.endedAt !== null) {
      // Switched off meanwhile. All that the log has grown by is looked for when it is switched on again.
      await forgetGrowth(own, tenantId)
      return 'done'
    }
    const part = PARTS.find((name) => name === history.part)
    if (part === undefined) return history
    const step = await steps[part](own, tenantId, history)
    const next = step.after === undefined ? PARTS[PARTS.indexOf(part) + 1] : part
    const begins = history.phase === 'ending' && next === 'resources'
    await noteHistoryStep(own, tenantId, history, {
      ...step,
      ...{ part: next ?? null, after: step.after ?? null },
      ...(begins && { phase: 'picture' as const, position: await headOf(own, tenantId) }),
    })
    // What the picture finds after a gap is known from now on.
    if (begins) await own.run('update histories h set begun_at = now() where h.tenant_id = $1::uuid', [tenantId])
    return 'more'
  })
  if (typeof outcome === 'string') return outcome
  return follow(db, tenantId, wait)
}

/** All is read: what was written meanwhile gets its positions, and up to there the history has to catch up. */
async function follow(db: Database, tenantId: TenantId, wait: boolean): Promise<Outcome> {
  await eventLogOf(db, tenantId).numberWritten()
  return db.transaction(async (tx) => {
    const own = tx.asTenant(tenantId)
    const history = await takeHistory(own, tenantId, wait)
    if (history === undefined) return 'held'
    if (history.phase !== 'picture' || history.part !== null) return 'more'
    await noteHistoryStep(own, tenantId, history, { phase: 'catching', target: await headOf(own, tenantId) })
    return 'more'
  })
}

async function headOf(db: Database, tenantId: TenantId): Promise<number> {
  return (await eventLogOf(db, tenantId).read(0, 1, { types: [], nouns: [] })).head
}

/** What a step of a part takes, and the last row that it has looked at; undefined where the part is done. */
type PartStep = Omit<HistoryStep, 'after'> & { readonly after: string | undefined }
type Step = (tx: Database, tenantId: TenantId, history: History) => Promise<PartStep>

const steps: Readonly<Record<Part, Step>> = {
  async grants(tx, tenantId, history) {
    const rows = historyRows(tx, tenantId)
    const page = await rows.allGrants(keyIn(history.after), ROWS_AT_ONCE)
    const spans = new Spans<GrantSpan>()
    endAll(spans, page, ({ object, subject }) => `${object} ${subject}`, history)
    await rows.write('history_grants', spans.written())
    const last = page.length < ROWS_AT_ONCE ? undefined : page.at(-1)
    return { after: last && `${last.object} ${last.subject} ${last.fromPosition}`, ended: spans.ended }
  },

  async states(tx, tenantId, history) {
    const rows = historyRows(tx, tenantId)
    const page = await rows.allStates(keyIn(history.after), ROWS_AT_ONCE)
    const spans = new Spans<StateSpan>()
    endAll(spans, page, ({ number }) => `${number}`, history)
    await rows.write('history_states', spans.written())
    const last = page.length < ROWS_AT_ONCE ? undefined : page.at(-1)
    return { after: last && `${last.number} ${last.fromPosition}`, ended: spans.ended }
  },

  async resources(tx, tenantId, history) {
    const page = await snapshotOf(tx, tenantId).resources(history.after ?? undefined, ROWS_AT_ONCE)
    const found = page.flatMap(({ id, type, active, document }) => {
      if (!isKnown(type)) return []
      const name = (JSON.parse(document) as Record<string, unknown>)[NAME_OF[type]]
      const named = typeof name === 'string' ? name : ''
      return [{ ref: id, kind: type, name: named, active: type === 'Group' ? null : active !== false }]
    })
    const numbers = await there(historyRows(tx, tenantId), found, history)
    return { numbers, after: page.at(-1)?.id }
  },

  async kept(tx, tenantId, history) {
    const page = await tx.run<{ id: string; name: string }>(
      `select k.id::text as id, k.unique_key as name from kept_users k where k.tenant_id = $1::uuid and k.id > $2::uuid
       order by k.id limit ${ROWS_AT_ONCE}`,
      [tenantId, history.after ?? FIRST_ID],
      { name: 'history-write' },
    )
    const found = page.map(({ id, name }) => ({ ref: id, kind: 'User' as const, name, active: false }))
    const numbers = await there(historyRows(tx, tenantId), found, history)
    return { numbers, after: page.at(-1)?.id }
  },

  async members(tx, tenantId, history) {
    const [group = FIRST_ID, member = FIRST_ID] = history.after?.split(' ') ?? []
    const page = await tx.run<{ group: string; member: string }>(
      `select m.group_id::text as group, m.member_id::text as member from memberships m
       where m.tenant_id = $1::uuid and (m.group_id, m.member_id) > ($2::uuid, $3::uuid)
       order by m.group_id, m.member_id limit ${ROWS_AT_ONCE}`,
      [tenantId, group, member],
      { name: 'history-write' },
    )
    const numbers = await have(
      historyRows(tx, tenantId),
      page.map(({ group, member }) => [group, member]),
      history,
    )
    const last = page.at(-1)
    return { numbers, after: last && `${last.group} ${last.member}` }
  },

  async roles(tx, tenantId, history) {
    const roles = rolesOf(tx, { tenantId })
    // The role at which the picture is, and the last of its users; without a user, the role is done.
    const [key, last] = JSON.parse(history.after ?? '[null,null]') as [string | null, string | null]
    const current = key === null || last === null ? undefined : await roles.find(key)
    const role =
      current && key !== null ? { id: current.id, key } : (await roles.list({ after: key ?? undefined, limit: 1 }))[0]
    if (role === undefined) return { after: undefined }
    const users = await roles.users(role.id, current && (last ?? undefined), ROWS_AT_ONCE)
    const rows = historyRows(tx, tenantId)
    const named = { ref: role.id, kind: 'Role' as const, name: role.key, active: null }
    const numbered = { ...history, numbers: await there(rows, [named], history) }
    const numbers = await have(
      rows,
      users.map((user) => [role.id, user]),
      numbered,
    )
    const end = users.length < ROWS_AT_ONCE ? null : (users.at(-1) ?? null)
    return { numbers, after: JSON.stringify([role.key, end]) }
  },
}

const isKnown = (type: string): type is keyof typeof NAME_OF => Object.hasOwn(NAME_OF, type)
const keyIn = (after: string | null): readonly number[] => after?.split(' ').map(Number) ?? [0, 0, 0]

/** What was open when a gap began is ended then. */
function endAll<S extends Span>(spans: Spans<S>, page: readonly S[], key: (span: S) => string, history: History): void {
  const at = history.gaps.at(-1)?.from ?? Date.now()
  for (const span of page) {
    if (span.toAt !== null) continue
    spans.stored(key(span), span)
    spans.end(key(span), { position: history.position, occurredAt: at, requestId: null, actor: null })
  }
}

/** Where a span of the picture begins: no event says by which request. */
const begins = ({ position, begunAt }: History): By => ({ position, occurredAt: begunAt, requestId: null, actor: null })

type Found = Pick<StateSpan, 'name' | 'active'> & Omit<Subject, 'number'>

/** Resources or roles are there. Gives the highest number that is given by now. */
async function there(rows: HistoryRows, found: readonly Found[], history: History): Promise<number> {
  const { of, numbers } = await numbersOf(rows, found, history.numbers)
  const states = new Spans<StateSpan>()
  for (const last of await rows.lastStates([...of.values()])) states.stored(String(last.number), last)
  for (const { ref, name, active } of found) {
    const number = of.get(ref) ?? 0
    if (states.open(String(number)) !== undefined) continue
    states.begin(String(number), begins(history), (from) => ({ number, name, active, ...from }))
  }
  await rows.write('history_states', states.written())
  return numbers
}

/** Some have a group or a role. Gives the highest number that is given by now. */
async function have(
  rows: HistoryRows,
  pairs: readonly (readonly [object: string, subject: string])[],
  history: History,
): Promise<number> {
  const refs = [...new Set(pairs.flat())].map((ref) => ({ ref, kind: null }))
  const { of, numbers } = await numbersOf(rows, refs, history.numbers)
  const numbered = pairs.map(([object, subject]) => ({ object: of.get(object) ?? 0, subject: of.get(subject) ?? 0 }))
  const grants = new Spans<GrantSpan>()
  const key = ({ object, subject }: Pick<GrantSpan, 'object' | 'subject'>) => `${object} ${subject}`
  for (const last of await rows.lastGrants(numbered)) grants.stored(key(last), last)
  for (const pair of numbered)
    if (grants.open(key(pair)) === undefined) grants.begin(key(pair), begins(history), (from) => ({ ...pair, ...from }))
  await rows.write('history_grants', grants.written())
  return numbers
}

async function numbersOf(rows: HistoryRows, found: readonly Omit<Subject, 'number'>[], before: number) {
  const stored = await rows.subjects(found.map(({ ref }) => ref))
  const of = new Map(stored.map(({ ref, number }) => [ref, number]))
  const fresh = found.filter(({ ref }) => !of.has(ref)).map((one, i) => ({ ...one, number: before + i + 1 }))
  for (const { ref, number } of fresh) of.set(ref, number)
  const kinds = new Map(found.map(({ ref, kind }) => [ref, kind]))
  const known = stored.filter(({ kind, ref }) => kind === null && kinds.get(ref) != null)
  await rows.number(
    fresh.map(({ number, kind, ref }) => ({ number, kind, ref })),
    known.map((one) => ({ ...one, kind: kinds.get(one.ref) ?? null })),
  )
  return { of, numbers: before + fresh.length }
}
