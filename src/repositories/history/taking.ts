import type { Database } from '../../db/database.ts'
import type { LoggedEvent } from '../../events/event.ts'
import type { TenantId } from '../../place-ids.ts'
import { eventLogOf } from '../log/event-log.ts'
import { beginAnew } from './gaps.ts'
import { type History, type HistoryStep, noteHistoryStep, startHistory, takeHistory } from './histories.ts'
import { type Move, moveOf, TYPES_IN_HISTORY } from './moves.ts'
import { type GrantSpan, historyRows, type StateSpan, type Subject } from './rows.ts'
import { type By, Spans } from './spans.ts'

/** Events of one step; and people and members in them, after which the next step goes on. */
const EVENTS_AT_ONCE = 500
const MOVED_AT_ONCE = 5_000
/** Members of a deleted group whose time ends in one transaction. */
const ENDED_AT_ONCE = 1_000

/** What a step did: more is to be done, nothing is left, or another instance is at it. */
export type Outcome = 'more' | 'done' | 'held'

/**
 * Takes the next events of a tenant's log into its history, in one transaction; of a large group that was deleted, in several. Safe to
 * repeat at any time, and for several instances.
 */
export async function takeEvents(db: Database, tenantId: TenantId, wait = false): Promise<Outcome> {
  const group = await db.transaction(async (tx) => {
    const own = tx.asTenant(tenantId)
    const history = await takeHistory(own, tenantId, wait)
    if (history === undefined) return 'held'
    if (history.phase === 'ending' || history.phase === 'picture') return 'more'
    const page = await eventLogOf(own, tenantId).read(history.position, EVENTS_AT_ONCE, {
      types: TYPES_IN_HISTORY,
      nouns: [],
    })
    if (page.trimmed > history.position) return missed(own, tenantId, history)
    const { moves, deleted, position } = bounded(page.events, page.next)
    const done = moves.length === 0 ? {} : await apply(own, tenantId, history.numbers, moves)
    await noteHistoryStep(own, tenantId, history, { ...done, position })
    if (history.phase === 'catching' && position >= (history.target ?? 0)) await startHistory(own, tenantId, history)
    if (deleted !== undefined) return deleted
    return position < page.head ? 'more' : 'done'
  })
  if (typeof group === 'string') return group
  return dissolve(db, tenantId, group, wait)
}

/** The log has not all that happened since. What the history can tell ends here; switched on, it begins anew. */
async function missed(tx: Database, tenantId: TenantId, history: History): Promise<Outcome> {
  if (history.endedAt !== null) return 'done'
  const since = await historyRows(tx, tenantId).newest()
  await beginAnew(tx, tenantId, history, since ?? history.begunAt)
  return 'more'
}

/** As many events as one step takes, and the group whose deletion comes next, if that is what ends the step. */
function bounded(events: readonly LoggedEvent[], next: number) {
  const moves: (By & { readonly move: Move })[] = []
  let moved = 0
  let position: number | undefined
  for (const event of events) {
    if (event.type === 'group.deleted') return { moves, deleted: event, position: event.position - 1 }
    const move = moveOf(event)
    position = event.position
    if (move === undefined) continue
    moves.push({ ...event, move })
    moved += move.kind === 'grants' ? move.subjects.length : 1
    if (moved >= MOVED_AT_ONCE) return { moves, deleted: undefined, position }
  }
  return { moves, deleted: undefined, position: next }
}

async function apply(
  tx: Database,
  tenantId: TenantId,
  numbers: number,
  moves: readonly (By & { readonly move: Move })[],
): Promise<HistoryStep> {
  const rows = historyRows(tx, tenantId)
  const numbered = await numbersFor(rows, numbers, moves)
  const of = (ref: string) => numbered.of.get(ref) ?? 0
  const states = new Spans<StateSpan>()
  const grants = new Spans<GrantSpan>()
  const known = (ref: string) => of(ref) <= numbers
  const named = [...new Set(moves.filter(({ move }) => known(move.ref)).map(({ move }) => of(move.ref)))]
  for (const state of await rows.lastStates(named)) states.stored(String(state.number), state)
  const pairs = new Map<string, Pick<GrantSpan, 'object' | 'subject'>>()
  for (const { move } of moves)
    if (move.kind === 'grants' && known(move.ref))
      for (const subject of move.subjects)
        if (known(subject))
          pairs.set(pairKey(of(move.ref), of(subject)), { object: of(move.ref), subject: of(subject) })
  for (const grant of await rows.lastGrants([...pairs.values()]))
    grants.stored(pairKey(grant.object, grant.subject), grant)
  for (const { move, ...by } of moves) {
    const number = of(move.ref)
    if (move.kind === 'gone') states.end(String(number), by)
    else if (move.kind === 'state') isNow(states, number, move, by)
    else {
      if (move.of === 'Role') isNow(states, number, { name: move.name, created: false }, by)
      for (const subject of move.subjects) grant(grants, number, of(subject), move.given, by)
    }
  }
  await rows.number(numbered.fresh, numbered.known)
  await rows.write('history_states', states.written())
  await rows.write('history_grants', grants.written())
  const ended = Math.min(states.ended ?? Number.POSITIVE_INFINITY, grants.ended ?? Number.POSITIVE_INFINITY)
  return { numbers: numbers + numbered.fresh.length, ended: Number.isFinite(ended) ? ended : undefined }
}

const pairKey = (object: number, subject: number): string => `${object} ${subject}`

/** The numbers of all that is named: those of the store, and new ones. */
async function numbersFor(
  rows: ReturnType<typeof historyRows>,
  numbers: number,
  moves: readonly { readonly move: Move }[],
): Promise<{ readonly of: ReadonlyMap<string, number>; readonly fresh: Subject[]; readonly known: Subject[] }> {
  const kinds = new Map<string, Subject['kind']>()
  for (const { move } of moves) {
    if (move.kind === 'grants') for (const ref of move.subjects) if (!kinds.has(ref)) kinds.set(ref, null)
    kinds.set(move.ref, move.of)
  }
  const stored = await rows.subjects([...kinds.keys()])
  const of = new Map(stored.map(({ ref, number }) => [ref, number]))
  const fresh: Subject[] = []
  for (const [ref, kind] of kinds) {
    if (of.has(ref)) continue
    const number = numbers + fresh.length + 1
    of.set(ref, number)
    fresh.push({ number, kind, ref })
  }
  const known = stored
    .filter(({ kind, ref }) => kind === null && kinds.get(ref) != null)
    .map((subject) => ({ ...subject, kind: kinds.get(subject.ref) ?? null }))
  return { of, fresh, known }
}

type Said = Pick<Extract<Move, { kind: 'state' }>, 'name' | 'active' | 'created'>

/** A resource or role is there as the event says; what it does not say is as before. */
function isNow(states: Spans<StateSpan>, number: number, { name, active, created }: Said, by: By): void {
  const key = String(number)
  const [open, last] = [states.open(key), states.last(key)]
  const next = { name: name ?? last?.name, active: active ?? last?.active ?? null }
  // Without a name nothing is known of it: the event tells of somebody who was gone before the history began.
  if (next.name === undefined) return
  if (open !== undefined && open.name === next.name && open.active === next.active) {
    if (created && open.fromRequest === null) states.begunBy(key, by)
    return
  }
  states.end(key, by)
  states.begin(key, by, (from) => ({ number, name: next.name ?? '', active: next.active, ...from }))
}

function grant(grants: Spans<GrantSpan>, object: number, subject: number, given: boolean, by: By): void {
  const key = pairKey(object, subject)
  const open = grants.open(key)
  if (!given) grants.end(key, by)
  else if (open === undefined) grants.begin(key, by, (from) => ({ object, subject, ...from }))
  else if (open.fromRequest === null) grants.begunBy(key, by)
}

/** A group was deleted: the time of its members ends, some at a time, and then its own. */
async function dissolve(db: Database, tenantId: TenantId, deleted: LoggedEvent, wait: boolean): Promise<Outcome> {
  for (let after: readonly [number, number] = [0, 0]; ; ) {
    const last = await db.transaction(async (tx) => {
      const own = tx.asTenant(tenantId)
      const history = await takeHistory(own, tenantId, wait)
      // Another instance may have done it meanwhile.
      if (history?.position !== deleted.position - 1) return undefined
      const rows = historyRows(own, tenantId)
      const [group] = await rows.subjects([deleted.resourceId])
      const members = group === undefined ? [] : await rows.grantsOf(group.number, after, ENDED_AT_ONCE)
      const grants = new Spans<GrantSpan>()
      for (const member of members.filter(({ toAt }) => toAt === null)) {
        const key = pairKey(member.object, member.subject)
        grants.stored(key, member)
        grants.end(key, deleted)
      }
      await rows.write('history_grants', grants.written())
      const end = members.at(-1)
      if (end !== undefined && members.length === ENDED_AT_ONCE) {
        await noteHistoryStep(own, tenantId, history, { ended: grants.ended })
        return [end.subject, end.fromPosition] as const
      }
      const states = new Spans<StateSpan>()
      if (group !== undefined) {
        for (const state of await rows.lastStates([group.number])) states.stored(String(group.number), state)
        states.end(String(group.number), deleted)
        await rows.write('history_states', states.written())
      }
      const ended = grants.ended ?? states.ended
      await noteHistoryStep(own, tenantId, history, { position: deleted.position, ended })
      if (history.phase === 'catching' && deleted.position >= (history.target ?? 0))
        await startHistory(own, tenantId, history)
      return undefined
    })
    if (last === undefined) return 'more'
    after = last
  }
}
