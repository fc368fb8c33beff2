import { createHash } from 'node:crypto'
import type { Database, Reader } from '../db/database.ts'
import type { TenantId } from '../place-ids.ts'
import {
  type GrantFound,
  HISTORY_BEGINS,
  type HistoryCursor,
  type HistoryPage,
  historyAnswers,
  type Known,
  type Period,
  type StateFound,
} from '../repositories/history/as-of.ts'
import type { Gap } from '../repositories/history/histories.ts'
import type { Span } from '../repositories/history/spans.ts'

/** Rows that are read at once; the export never has more of them in memory. */
const ROWS_AT_ONCE = 500

/** The forms of an export. */
export const EXPORT_FORMATS = ['csv', 'json'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

/** Of whom an export is. */
export interface ExportedPlace {
  readonly id: TenantId
  readonly key: string
}

/** One line: from when until when a person was there, active or not; or had a group or a role; or of which time nothing is told. */
export interface ExportedSpan {
  readonly kind: 'account' | 'group' | 'role' | 'gap'
  /** Id of the person, or of a group that is a member; `erased-` and a number for an erased person. */
  readonly subject: string
  readonly subjectKind: string
  readonly subjectName: string
  readonly active: boolean | null
  readonly object: string
  readonly objectName: string
  readonly from: string
  readonly fromRequest: string
  readonly fromActor: string
  readonly until: string
  readonly untilRequest: string
  readonly untilActor: string
}

const COLUMNS: readonly (keyof ExportedSpan)[] = [
  ...(['kind', 'subject', 'subjectKind', 'subjectName', 'active', 'object', 'objectName'] as const),
  ...(['from', 'fromRequest', 'fromActor', 'until', 'untilRequest', 'untilActor'] as const),
]

/** How a person, group or role is called where there is no id any more. */
export const idOf = ({ id, number }: Known): string => id ?? `erased-${number}`

const time = (ms: number | null): string => (ms === null ? '' : new Date(ms).toISOString())

/** A time in the period of which the history does not tell, as far as the period goes. */
const gapLine = (gap: Gap, { until }: Period): ExportedSpan => ({
  ...{ kind: 'gap', subject: '', subjectKind: '', subjectName: '', active: null, object: '', objectName: '' },
  ...{ from: time(gap.from), fromRequest: '', fromActor: '' },
  ...{ until: gap.until !== null && gap.until <= until ? time(gap.until) : '', untilRequest: '', untilActor: '' },
})

/** A span as far as the period goes: what ends later lasts still. So the same export is the same text whenever it is made. */
function ofSpan(span: Span, { until }: Period) {
  const isOver = span.toAt !== null && span.toAt <= until
  return {
    ...{
      from: span.fromRequest === null ? '' : time(span.fromAt),
      fromRequest: span.fromRequest ?? '',
      fromActor: span.fromActor ?? '',
    },
    ...{
      until: isOver ? time(span.toAt) : '',
      untilRequest: (isOver && span.toRequest) || '',
      untilActor: (isOver && span.toActor) || '',
    },
  }
}

const stateLine = (state: StateFound, period: Period): ExportedSpan => ({
  ...{ kind: 'account', subject: idOf(state), subjectKind: state.kind ?? '', subjectName: state.name ?? '' },
  ...{ active: state.active, object: '', objectName: '' },
  ...ofSpan(state, period),
})

const grantLine = ({ object, subject, ...span }: GrantFound, period: Period): ExportedSpan => ({
  ...{ kind: object.kind === 'Role' ? 'role' : 'group', subject: idOf(subject), subjectKind: subject.kind ?? '' },
  ...{ subjectName: subject.name ?? '', active: null, object: idOf(object), objectName: object.name ?? '' },
  ...ofSpan(span, period),
})

async function* pages<Item>(
  read: (cursor: HistoryCursor) => Promise<HistoryPage<Item>>,
): AsyncGenerator<readonly Item[], void> {
  for (let cursor: HistoryCursor | undefined = HISTORY_BEGINS; cursor !== undefined; ) {
    const page: HistoryPage<Item> = await read(cursor)
    yield page.items
    cursor = page.next
  }
}

/** All lines of a period, some at a time: first of which time nothing is told, then who was there, then who had what. */
export async function* exportedSpans(
  db: Database,
  tenantId: TenantId,
  period: Period,
  gaps: readonly Gap[],
  reader?: Reader,
): AsyncGenerator<readonly ExportedSpan[], void> {
  yield gaps.map((gap) => gapLine(gap, period))
  const answers = historyAnswers(db, tenantId, reader)
  const states = pages((cursor) => answers.states(period, ['User', 'Agent'], cursor, ROWS_AT_ONCE))
  for await (const some of states) yield some.map((state) => stateLine(state, period))
  const grants = pages((cursor) => answers.allGrants(period, cursor, ROWS_AT_ONCE))
  for await (const some of grants) yield some.map((grant) => grantLine(grant, period))
}

/** The export as a text, piece by piece. */
export async function* exportText(
  spans: AsyncIterable<readonly ExportedSpan[]>,
  { id, key }: ExportedPlace,
  { from, until }: Period,
  format: ExportFormat,
): AsyncGenerator<string, void> {
  const head = { tenant: { id, key }, from: time(from), until: time(until) }
  yield format === 'csv' ? `${COLUMNS.join(',')}\r\n` : `${JSON.stringify(head).slice(0, -1)},"spans":[`
  let isFirst = true
  for await (const some of spans) {
    if (some.length === 0) continue
    if (format === 'csv') yield some.map((span) => `${COLUMNS.map((name) => cell(span[name])).join(',')}\r\n`).join('')
    else yield `${isFirst ? '' : ','}\n${some.map((span) => JSON.stringify(span)).join(',\n')}`
    isFirst = false
  }
  if (format === 'json') yield '\n]}\n'
}

/** A cell (RFC 4180). What a spreadsheet would take for a formula begins with an apostrophe. */
function cell(value: string | boolean | null): string {
  const text = value === null ? '' : String(value)
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain
}

/** What is said of an export, and signed. */
export interface Manifest {
  readonly kind: 'rollcall-history'
  readonly tenant: ExportedPlace
  readonly from: string
  readonly until: string
  readonly format: ExportFormat
  readonly bytes: number
  readonly lines: number
  /** In hexadecimal digits. */
  readonly sha256: string
  readonly madeAt: string
}

/** Makes the manifest of an export, which is made once more for it. Gives nothing for each piece, and the manifest at the end. */
export async function* manifestOf(
  spans: AsyncIterable<readonly ExportedSpan[]>,
  place: ExportedPlace,
  period: Period,
  format: ExportFormat,
): AsyncGenerator<undefined, Manifest> {
  const hash = createHash('sha256')
  let [bytes, lines] = [0, 0]
  const counted = async function* () {
    for await (const some of spans) {
      lines += some.length
      yield some
    }
  }
  for await (const piece of exportText(counted(), place, period, format)) {
    hash.update(piece)
    bytes += Buffer.byteLength(piece)
    yield undefined
  }
  const sha256 = hash.digest('hex')
  const times = { from: time(period.from), until: time(period.until), madeAt: time(Date.now()) }
  return { kind: 'rollcall-history', tenant: place, format, bytes, lines, sha256, ...times }
}
