import type { Database } from '../db/database.ts'
import { ERASED_CHANGES } from '../events/event.ts'
import type { TenantId } from '../place-ids.ts'
import { erasingIn } from '../repositories/erasure/erasing.ts'
import type { ErasureRow, StepDone } from '../repositories/erasure/erasures.ts'
import { pagesOf, type RequestFound } from '../repositories/erasure/pages.ts'
import { FIRST_ID, LAST_ID } from '../repositories/sql/ids.ts'
import type { Entry } from '../request-log/compose.ts'
import { lowestIdAt, momentOf } from '../request-log/ids.ts'
import { decodedText } from '../request-log/secrets.ts'
import { termOf } from '../request-log/terms.ts'
import type { JsonObject, JsonValue } from '../scim/resource.ts'
import { type Eraser, eraserOf } from './erased-json.ts'
import { type Person, signsOf, someone, withChanges } from './person.ts'

// The steps of an erasure, each a transaction of its own with a bound. What a step has done and how far it came stand in one commit,
// so that another instance goes on where one died.

/** The person as the row keeps it while the work goes on. */
export interface Subject {
  readonly person: Person
  /** The user was in the directory, or kept, when the erasure began: that moment ends what is erased by names. */
  readonly wasThere: boolean
}

/** Where an erasure goes, in this order. */
export const PLACES = [
  ...(['writers', 'names', 'history', 'events', 'late-history', 'requests', 'audit', 'accounts'] as const),
  ...(['deliveries', 'answers', 'late-requests', 'storage'] as const),
] as const
export type Place = (typeof PLACES)[number]

/** Instances write of requests behind them: when all that were under way at the beginning are written, they are looked through again. */
const LATE_AFTER_MS = 300_000
/** A request may have come so long before it was written. */
const LATE_FROM_MS = 600_000

const nextOf = (place: Place): Place => PLACES[PLACES.indexOf(place) + 1] ?? 'storage'

/** The step in the place behind this one. */
export const goOn = (place: Place): Pick<StepDone, 'place' | 'after'> => ({ place: nextOf(place), after: null })

type Step = (tx: Database, row: ErasureRow & { readonly tenantId: TenantId }, subject: Subject) => Promise<StepDone>

/** What each place's step does, but for those that are no transaction. */
export const STEPS: Readonly<Record<Exclude<Place, 'writers' | 'history' | 'late-history' | 'storage'>, Step>> = {
  /** Learns from the events about the user all names that the person had. */
  async names(tx, { tenantId, after }, { person, wasThere }) {
    if (person.id === null) return goOn('names')
    const pages = pagesOf(tx, tenantId, { id: person.id, signs: [] })
    const { rows, last } = await pages.events(after)
    let known = person
    for (const { type, changes, occurredAt } of rows) {
      const said = JSON.parse(changes) as JsonObject
      known = withChanges(known, said)
      if (!wasThere && (type === 'user.deleted' || 'keptUntil' in said)) known = { ...known, until: occurredAt }
    }
    if (last !== undefined) return { after: last, subject: { person: known, wasThere } }
    const shared = await pages.sharedAddresses(known.emails)
    const own = { ...known, emails: known.emails.filter((address) => !shared.has(address)) }
    return { ...goOn('names'), subject: { person: own, wasThere } }
  },

  async events(tx, { tenantId, after, erased }, { person }) {
    const eraser = erasers(person)
    const { rows, last } = await pagesOf(tx, tenantId, sought(person)).events(after)
    const changed = rows.flatMap(({ at, isOwn, type, changes, occurredAt }) => {
      // Keys of roles are the operator's words, and a person may be called like one.
      if (type.startsWith('role.')) return []
      const now = isOwn ? ERASED_CHANGES : eventWithout(changes, eraser(occurredAt))
      return now === changes ? [] : [{ at, changes: now }]
    })
    const events = await erasingIn(tx, tenantId).events(changed)
    return { ...nextPage('events', last), erased: plus(erased, { events }) }
  },

  requests: (tx, row, { person }) => requestsStep(tx, row, person, 'requests', row.after ?? FIRST_ID),

  async audit(tx, { tenantId, after, erased }, { person }) {
    const eraser = erasers(person)
    const { rows, last } = await pagesOf(tx, tenantId, sought(person)).audit(after)
    const changed = rows.flatMap(({ at, occurredAt, ...entry }) => {
      const { value } = eraser(occurredAt)
      const json = (text: string | null) => {
        const parsed = text === null ? null : (JSON.parse(text) as JsonValue)
        const now = value(parsed)
        return now === parsed ? text : JSON.stringify(now)
      }
      const named = value({ name: entry.targetName }) as { readonly name: string }
      const now = { targetName: named.name, before: json(entry.before), after: json(entry.after) }
      const same = now.targetName === entry.targetName && now.before === entry.before && now.after === entry.after
      return same ? [] : [{ at, ...now }]
    })
    const entries = await erasingIn(tx, tenantId).audit(changed)
    return { ...nextPage('audit', last), erased: plus(erased, { audit_entries: entries }) }
  },

  async accounts(tx, { tenantId, erased, ...asked }, { person }) {
    const { id, userNames, emails, externalIds } = person
    const erasing = erasingIn(tx, tenantId)
    const copies = await erasing.accounts(id, id === null ? [...userNames, ...emails] : [])
    const reviews = id === null ? 0 : await erasing.reviews(id)
    const values = [...(id === null ? [] : [id]), ...userNames, ...emails, ...externalIds]
    const deferred = await erasing.deferred(values, asked)
    const all = { ...copies, account_reviews: copies.account_reviews + reviews, deferred_members: deferred }
    return { ...goOn('accounts'), erased: plus(erased, all) }
  },

  async deliveries(tx, { tenantId, after, erased }, { person }) {
    if (person.id === null) return goOn('deliveries')
    const { rows, last } = await erasingIn(tx, tenantId).deliveries(person.id, after)
    return { ...nextPage('deliveries', last ?? undefined), erased: plus(erased, { webhook_deliveries: rows }) }
  },

  async answers(tx, { tenantId, after, erased, askedAt }, { person }) {
    const { json } = eraserOf(person)
    const { rows, last } = await pagesOf(tx, tenantId, sought(person)).answers(after)
    const changed = rows.flatMap(({ at, body }) => {
      const now = json(body) ?? '{"erased":true}'
      return now === body ? [] : [{ at, body: now }]
    })
    const answers = await erasingIn(tx, tenantId).answers(changed)
    const done = { ...nextPage('answers', last), erased: plus(erased, { idempotency_keys: answers }) }
    return last === undefined ? { ...done, dueAt: new Date(askedAt.getTime() + LATE_AFTER_MS) } : done
  },

  async 'late-requests'(tx, row, { person }) {
    const from = row.after ?? lowestIdAt(row.askedAt.getTime() - LATE_FROM_MS)
    const done = await requestsStep(tx, row, person, 'late-requests', from)
    // From here on nothing is looked for any more.
    return done.place === 'storage' ? { ...done, subject: null } : done
  },
}

async function requestsStep(
  tx: Database,
  { tenantId, erased }: ErasureRow & { readonly tenantId: TenantId },
  person: Person,
  place: Place,
  from: string,
): Promise<StepDone> {
  const eraser = erasers(person)
  const { rows, last } = await pagesOf(tx, tenantId, sought(person)).requests(from, LAST_ID)
  const changed = rows.flatMap((row) => requestWithout(row, person, eraser(momentOf(row.at))) ?? [])
  const erasing = erasingIn(tx, tenantId)
  const logged = await erasing.requests(changed)
  const terms = await erasing.terms(changed)
  return { ...nextPage(place, last), erased: plus(erased, { request_log: logged, request_terms: terms }) }
}

const nextPage = (place: Place, last: string | undefined) => (last === undefined ? goOn(place) : { after: last })

const sought = (person: Person) => ({ id: person.id, signs: signsOf(person) })

/** What erases the person from what happened at a moment. */
function erasers(person: Person): (at: number) => Eraser {
  const [all, byId] = [eraserOf(person), eraserOf(someone(person.id, person.until))]
  return (at) => (at <= person.until ? all : byId)
}

/** Rows that were erased, with those of another step. */
export function plus(before: ErasureRow['erased'], more: Readonly<Record<string, number>>): Record<string, number> {
  const sum: Record<string, number> = { ...before }
  for (const [table, rows] of Object.entries(more)) sum[table] = (sum[table] ?? 0) + rows
  return sum
}

/** What an event about something else says, without the person. */
function eventWithout(changes: string, { isAbout, value }: Eraser): string {
  const said = JSON.parse(changes) as JsonObject
  if (isAbout(said)) return ERASED_CHANGES
  const now = value(said)
  return now === said ? changes : JSON.stringify(now)
}

const EMPTIED = '{"erased":true}'

/** A request without the person, and the terms by which it is not found any more; undefined where it has nothing of the person. */
function requestWithout({ at, ...row }: RequestFound, person: Person, eraser: Eraser) {
  const gone = new Set<string>()
  const note = (text: string) => {
    gone.add(termOf(text))
  }
  const entry = JSON.parse(row.entry) as Entry
  const isOwn = person.id !== null && (entry.resource?.id === person.id || isBelow(entry.path, person.id))
  const path = pathWithout(entry.path, (text) => eraser.text(text, note))
  const detail = entry.detail === undefined ? undefined : eraser.text(entry.detail, note)
  const bodies = row.bodies === null ? null : bodiesWithout(row.bodies, isOwn, eraser, note)
  const now = { entry: JSON.stringify({ ...entry, path, detail }), bodies }
  const kept = new Set([person.id, entry.requestId].flatMap((text) => (text == null ? [] : [termOf(text)])))
  const terms = row.terms.filter((term) => (isOwn ? kept.has(term) : kept.has(term) || !gone.has(term)))
  const isSame = now.entry === row.entry && bodies === row.bodies && terms.length === row.terms.length
  return isSame ? undefined : { at, ...now, terms, gone: row.terms.filter((term) => !terms.includes(term)) }
}

const isBelow = (path: string, id: string): boolean => (path.split('?', 1)[0] ?? '').split('/')[2] === id

/** Path and query: each part is read as it was meant, and written anew where the person stood in it. */
const pathWithout = (path: string, without: (text: string) => string): string =>
  path
    .split(/([/?&])/)
    .map((part) => {
      const text = decodedText(part)
      const now = without(text)
      if (now === text) return part
      const name = /^\w+=/.exec(now)?.[0] ?? ''
      return name + encodeURIComponent(now.slice(name.length))
    })
    .join('')

interface Body {
  readonly text: string | null
  readonly length: number
}

function bodiesWithout(text: string, isOwn: boolean, eraser: Eraser, note: (text: string) => void): string {
  const bodies = JSON.parse(text) as { readonly request?: Body; readonly response?: Body }
  const without = (body: Body | undefined): Body | undefined => {
    if (body === undefined || body.text === null || body.text === '') return body
    return { ...body, text: isOwn ? EMPTIED : (eraser.json(body.text, note) ?? EMPTIED) }
  }
  return JSON.stringify({ request: without(bodies.request), response: without(bodies.response) })
}
