import type { Database, Reader } from '../../db/database.ts'
import { READERS } from '../../db/database.ts'
import type { TenantId } from '../../place-ids.ts'
import { Parameters } from '../sql/parameters.ts'
import type { SubjectKind } from './moves.ts'
import { spanColumns } from './rows.ts'
import type { Span } from './spans.ts'

/** Which spans count: those that lasted at some moment from `from` to `until`, in milliseconds since 1970; at one moment, both are it. */
export interface Period {
  readonly from: number
  readonly until: number
}

/** A person, group or role by its number; without an id once the person was erased. */
export interface Known {
  readonly number: number
  readonly kind: SubjectKind | null
  readonly id: string | null
  /** As it was at the end of the period, or before, where it was gone by then. */
  readonly name: string | null
}

/** A span of a person, group or agent under one name, active or not. */
export interface StateFound extends Known, Span {
  readonly active: boolean | null
}

/** A span in which somebody had a group or role. */
export interface GrantFound extends Span {
  readonly object: Known
  readonly subject: Known & { readonly active: boolean | null }
}

/** Where a page begins: behind these numbers and this position. */
export type HistoryCursor = readonly [number, number, number]
export const HISTORY_BEGINS: HistoryCursor = [0, 0, 0]

/** A page. It may hold fewer than were asked for, even none, and yet not be the last. */
export interface HistoryPage<Item> {
  readonly items: readonly Item[]
  readonly next: HistoryCursor | undefined
}

/** Rows that one page looks at: what had ended before the period costs as much as what counts. */
const LOOKED_AT = 1_000

type StateRow = Omit<StateFound, 'toAt'> & { readonly toAt: number | null; readonly counts: boolean }
type GrantRow = Span & { readonly counts: boolean } & Prefixed<'object', Known> &
  Prefixed<'subject', Known & { active: boolean | null }>
type Prefixed<P extends string, T> = { readonly [K in keyof T & string as `${P}${Capitalize<K>}`]: T[K] }

/** What a tenant's history says. */
export function historyAnswers(database: Database, tenantId: TenantId, reader: Reader = READERS) {
  const db = database.asTenant(tenantId)
  const options = { reader, replica: true, name: 'history-read' } as const
  const begin = (period: Period) => {
    const parameters = new Parameters()
    const tenant = parameters.bind(tenantId, 'uuid')
    const moment = (ms: number) => `${parameters.bind(new Date(ms).toISOString())}::text::timestamptz`
    const [from, until] = [moment(period.from), moment(period.until)]
    const lasts = `h.from_at <= ${until} and (h.to_at is null or (h.to_at > ${from} and h.to_at > h.from_at))`
    /** What is known of the number `number`, as `alias`. */
    const known = (alias: string, number: string) => `left join lateral (
        select s.kind, s.ref from history_subjects s where s.tenant_id = ${tenant} and s.number = ${number} limit 1
      ) ${alias} on true
      left join lateral (
        select n.name, n.active from history_states n where n.tenant_id = ${tenant} and n.number = ${number} and n.from_at <= ${until}
        order by n.from_position desc limit 1
      ) ${alias}_state on true`
    return { parameters, tenant, lasts, known }
  }
  const pageOf = <Row extends { readonly counts: boolean }, Item>(
    rows: readonly Row[],
    cursor: (row: Row) => HistoryCursor,
    item: (row: Row) => Item,
    limit: number,
  ): HistoryPage<Item> => {
    const counting = rows.filter(({ counts }) => counts)
    const cut = counting.length > limit ? counting[limit - 1] : rows.length === LOOKED_AT ? rows.at(-1) : undefined
    return { items: counting.slice(0, limit).map(item), next: cut && cursor(cut) }
  }
  const grants = async (
    period: Period,
    [, , position]: HistoryCursor,
    which: (bind: (value: number) => string) => {
      readonly where: string
      readonly order: string
      readonly after: string
    },
    cursor: (row: GrantRow) => HistoryCursor,
    limit: number,
  ): Promise<HistoryPage<GrantFound>> => {
    const { parameters, tenant, lasts, known } = begin(period)
    const { where, order, after } = which((value) => parameters.bind(value, 'int'))
    const rows = await db.run<GrantRow>(
      `select h.object as "objectNumber", object.kind as "objectKind", object.ref::text as "objectId", object_state.name as "objectName",
         h.subject as "subjectNumber", subject.kind as "subjectKind", subject.ref::text as "subjectId", subject_state.name as "subjectName",
         subject_state.active as "subjectActive", h.counts, ${spanColumns('h')}
       from (
         select h.*, ${lasts} as counts from history_grants h
         where h.tenant_id = ${tenant} and ${where} and (${order}) > (${after}, ${parameters.bind(position, 'bigint')})
         order by ${order} limit ${LOOKED_AT}
       ) h ${known('object', 'h.object')} ${known('subject', 'h.subject')}
       order by ${order}`,
      parameters.values,
      options,
    )
    return pageOf(rows, cursor, grantIn, limit)
  }
  return {
    /** The number of a person, group or role by its id, or of a role by its key. */
    async numberOf(id: string): Promise<Pick<Known, 'number' | 'kind'> | undefined> {
      const [found] = await db.run<Pick<Known, 'number' | 'kind'>>(
        'select s.number, s.kind from history_subjects s where s.tenant_id = $1::uuid and s.ref = $2::uuid',
        [tenantId, id],
        options,
      )
      return found
    },

    /** People and agents, or groups, or roles, that were there. */
    async states(
      period: Period,
      kinds: readonly SubjectKind[],
      [number, , position]: HistoryCursor,
      limit: number,
    ): Promise<HistoryPage<StateFound>> {
      const { parameters, tenant, lasts } = begin(period)
      const after = `(${parameters.bind(number, 'int')}, ${parameters.bind(position, 'bigint')})`
      const rows = await db.run<StateRow>(
        `select h.number, s.kind, s.ref::text as id, h.name, h.active,
           h.lasts and s.kind = any(${parameters.array(kinds, 'text')}) as counts, ${spanColumns('h')}
         from (
           select h.*, ${lasts} as lasts from history_states h
           where h.tenant_id = ${tenant} and (h.number, h.from_position) > ${after}
           order by h.number, h.from_position limit ${LOOKED_AT}
         ) h cross join lateral (
           select s.kind, s.ref from history_subjects s where s.tenant_id = ${tenant} and s.number = h.number limit 1
         ) s order by h.number, h.from_position`,
        parameters.values,
        options,
      )
      return pageOf(
        rows,
        (row) => [row.number, 0, row.fromPosition],
        ({ counts, ...row }) => row,
        limit,
      )
    },

    /** The spans of one number. */
    async statesOf(
      number: number,
      period: Period,
      [, , position]: HistoryCursor,
      limit: number,
    ): Promise<HistoryPage<StateFound>> {
      const { parameters, tenant, lasts } = begin(period)
      const rows = await db.run<StateRow>(
        `select h.number, s.kind, s.ref::text as id, h.name, h.active, h.counts, ${spanColumns('h')}
         from (
           select h.*, ${lasts} as counts from history_states h
           where h.tenant_id = ${tenant} and h.number = ${parameters.bind(number, 'int')}
             and h.from_position > ${parameters.bind(position, 'bigint')}
           order by h.from_position limit ${LOOKED_AT}
         ) h cross join lateral (
           select s.kind, s.ref from history_subjects s where s.tenant_id = ${tenant} and s.number = h.number limit 1
         ) s order by h.from_position`,
        parameters.values,
        options,
      )
      return pageOf(
        rows,
        (row) => [row.number, 0, row.fromPosition],
        ({ counts, ...row }) => row,
        limit,
      )
    },

    /** The groups and roles that somebody had; or who had a group or role. */
    async grantsOf(
      who: { readonly subject: number } | { readonly object: number },
      period: Period,
      cursor: HistoryCursor,
      limit: number,
    ): Promise<HistoryPage<GrantFound>> {
      return 'subject' in who
        ? grants(
            period,
            cursor,
            (bind) => ({
              where: `h.subject = ${bind(who.subject)}`,
              order: 'h.object, h.from_position',
              after: bind(cursor[0]),
            }),
            (row) => [row.objectNumber, 0, row.fromPosition],
            limit,
          )
        : grants(
            period,
            cursor,
            (bind) => ({
              where: `h.object = ${bind(who.object)}`,
              order: 'h.subject, h.from_position',
              after: bind(cursor[0]),
            }),
            (row) => [row.subjectNumber, 0, row.fromPosition],
            limit,
          )
    },

    /** All groups and roles that anybody had. */
    allGrants: (period: Period, cursor: HistoryCursor, limit: number): Promise<HistoryPage<GrantFound>> =>
      grants(
        period,
        cursor,
        (bind) => ({
          ...{ where: 'true', order: 'h.object, h.subject, h.from_position' },
          after: `${bind(cursor[0])}, ${bind(cursor[1])}`,
        }),
        (row) => [row.objectNumber, row.subjectNumber, row.fromPosition],
        limit,
      ),
  }
}

function grantIn(row: GrantRow): GrantFound {
  const {
    objectNumber,
    objectKind,
    objectId,
    objectName,
    subjectNumber,
    subjectKind,
    subjectId,
    subjectName,
    ...rest
  } = row
  const { subjectActive: active, counts: _, ...span } = rest
  return {
    ...span,
    object: { number: objectNumber, kind: objectKind, id: objectId, name: objectName },
    subject: { number: subjectNumber, kind: subjectKind, id: subjectId, name: subjectName, active },
  }
}
