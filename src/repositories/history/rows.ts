import type { Database } from '../../db/database.ts'
import { foundRows } from '../sql/found-rows.ts'
import { Parameters } from '../sql/parameters.ts'
import type { SubjectKind } from './moves.ts'
import type { Span, Written } from './spans.ts'

/** A span in which a resource or a role was there under one name, active or not. */
export interface StateSpan extends Span {
  readonly number: number
  readonly name: string
  readonly active: boolean | null
}

/** A span in which somebody had a group or a role. */
export interface GrantSpan extends Span {
  readonly object: number
  readonly subject: number
}

/** Whose number it is. */
export interface Subject {
  readonly number: number
  readonly kind: SubjectKind | null
  readonly ref: string
}

export const msOf = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`

/** The columns that make a `Span` of the row `alias`. */
export const spanColumns = (alias: string): string =>
  `${alias}.from_position::float8 as "fromPosition", ${msOf(`${alias}.from_at`)} as "fromAt", ${alias}.from_request as "fromRequest",
   ${alias}.from_actor as "fromActor", ${alias}.to_position::float8 as "toPosition", ${msOf(`${alias}.to_at`)} as "toAt",
   ${alias}.to_request as "toRequest", ${alias}.to_actor as "toActor"`

const SPAN = 'from_position, to_position, from_at, to_at, from_request, from_actor, to_request, to_actor'
const SPAN_TYPES = `from_position bigint, to_position bigint, from_at timestamptz, to_at timestamptz, from_request text,
  from_actor text, to_request text, to_actor text`
/** What stands beside the span, with its type; the first ones make the key. */
const TABLES = {
  history_states: { key: { number: 'int' }, rest: { active: 'boolean', name: 'text' } },
  history_grants: { key: { object: 'int', subject: 'int' }, rest: {} },
} as const
type Table = keyof typeof TABLES

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())
const asRow = ({
  fromPosition,
  fromAt,
  fromRequest,
  fromActor,
  toPosition,
  toAt,
  toRequest,
  toActor,
  ...rest
}: Span) => ({
  ...rest,
  ...{ from_position: fromPosition, from_at: iso(fromAt), from_request: fromRequest, from_actor: fromActor },
  ...{ to_position: toPosition, to_at: iso(toAt), to_request: toRequest, to_actor: toActor },
})

/** The rows of one tenant's history, for whoever writes it. The transaction holds the history. */
export function historyRows(tx: Database, tenantId: string) {
  const begin = () => {
    const parameters = new Parameters()
    return { parameters, tenant: parameters.bind(tenantId, 'uuid') }
  }
  const columns = (table: Table) => {
    const { key, rest } = TABLES[table]
    const all = { ...key, ...rest }
    return {
      names: [...Object.keys(all), SPAN].join(', '),
      types: [...Object.entries(all).map(([name, type]) => `${name} ${type}`), SPAN_TYPES].join(', '),
      key: Object.keys(key),
      rest: Object.keys(rest),
    }
  }
  return {
    /** Of some ids those that have numbers. */
    async subjects(refs: readonly string[]): Promise<Subject[]> {
      if (refs.length === 0) return []
      const { parameters, tenant } = begin()
      return tx.run<Subject>(
        `select s.number, s.kind, s.ref::text as ref from unnest(${parameters.array(refs, 'uuid')}) x(ref) cross join lateral (
           select s.number, s.kind, s.ref from history_subjects s where s.tenant_id = ${tenant} and s.ref = x.ref limit 1
         ) s`,
        parameters.values,
        { name: 'history-write' },
      )
    },

    /** Gives ids their numbers, and says what those are whose kind was not known. */
    async number(fresh: readonly Subject[], known: readonly Subject[]): Promise<void> {
      if (fresh.length > 0) {
        const { parameters, tenant } = begin()
        await tx.run(
          `insert into history_subjects (tenant_id, number, kind, ref)
           select ${tenant}, i.number, i.kind, i.ref from jsonb_to_recordset(${parameters.json(fresh)}) i(number int, kind text, ref uuid)`,
          parameters.values,
          { name: 'history-write' },
        )
      }
      for (const { number, kind } of known) {
        const { parameters, tenant } = begin()
        await tx.run(
          `update history_subjects s set kind = ${parameters.bind(kind, 'text')}
           where s.tenant_id = ${tenant} and s.number = ${parameters.bind(number, 'int')}`,
          parameters.values,
          { name: 'history-write' },
        )
      }
    },

    /** The last span of each of these resources and roles. */
    async lastStates(numbers: readonly number[]): Promise<StateSpan[]> {
      if (numbers.length === 0) return []
      const { parameters, tenant } = begin()
      return tx.run<StateSpan>(
        `select h.number, h.name, h.active, ${spanColumns('h')}
         from jsonb_to_recordset(${parameters.json(numbers.map((number) => ({ number })))}) i(number int) cross join lateral (
           select h.* from history_states h where h.tenant_id = ${tenant} and h.number = i.number
           order by h.from_position desc limit 1
         ) h`,
        parameters.values,
        { name: 'history-write' },
      )
    },

    /** The last span of each of these pairs. */
    async lastGrants(pairs: readonly Pick<GrantSpan, 'object' | 'subject'>[]): Promise<GrantSpan[]> {
      if (pairs.length === 0) return []
      const { parameters, tenant } = begin()
      return tx.run<GrantSpan>(
        `select h.object, h.subject, ${spanColumns('h')}
         from jsonb_to_recordset(${parameters.json(pairs)}) i(object int, subject int) cross join lateral (
           select h.* from history_grants h where h.tenant_id = ${tenant} and h.object = i.object and h.subject = i.subject
           order by h.from_position desc limit 1
         ) h`,
        parameters.values,
        { name: 'history-write' },
      )
    },

    /** All spans in which somebody had a group or a role, some at a time, in the order of their keys. */
    async grantsOf(
      object: number,
      [subject, position]: readonly [number, number],
      limit: number,
    ): Promise<GrantSpan[]> {
      const { parameters, tenant } = begin()
      const after = `(${parameters.bind(subject, 'int')}, ${parameters.bind(position, 'bigint')})`
      return tx.run<GrantSpan>(
        `select h.object, h.subject, ${spanColumns('h')} from history_grants h
         where h.tenant_id = ${tenant} and h.object = ${parameters.bind(object, 'int')} and (h.subject, h.from_position) > ${after}
         order by h.subject, h.from_position limit ${Math.trunc(limit)}`,
        parameters.values,
        { name: 'history-write' },
      )
    },

    /** Spans of all, some at a time, in the order of their keys. */
    async allGrants([object = 0, subject = 0, position = 0]: readonly number[], limit: number): Promise<GrantSpan[]> {
      return tx.run<GrantSpan>(
        `select h.object, h.subject, ${spanColumns('h')} from history_grants h
         where h.tenant_id = $1::uuid and (h.object, h.subject, h.from_position) > ($2::int, $3::int, $4::bigint)
         order by h.object, h.subject, h.from_position limit ${Math.trunc(limit)}`,
        [tenantId, object, subject, position],
        { name: 'history-write' },
      )
    },

    /** The same of resources and roles. */
    async allStates([number = 0, position = 0]: readonly number[], limit: number): Promise<StateSpan[]> {
      return tx.run<StateSpan>(
        `select h.number, h.name, h.active, ${spanColumns('h')} from history_states h
         where h.tenant_id = $1::uuid and (h.number, h.from_position) > ($2::int, $3::bigint)
         order by h.number, h.from_position limit ${Math.trunc(limit)}`,
        [tenantId, number, position],
        { name: 'history-write' },
      )
    },

    /** All groups and roles that somebody had, in the same way. */
    async grantsTo(
      subject: number,
      [object, position]: readonly [number, number],
      limit: number,
    ): Promise<GrantSpan[]> {
      return tx.run<GrantSpan>(
        `select h.object, h.subject, ${spanColumns('h')} from history_grants h
         where h.tenant_id = $1::uuid and h.subject = $2::int and (h.object, h.from_position) > ($3::int, $4::bigint)
         order by h.object, h.from_position limit ${Math.trunc(limit)}`,
        [tenantId, subject, object, position],
        { name: 'history-write' },
      )
    },

    /** All spans of one resource after a position, in their order. */
    async statesOf(number: number, after: number, limit: number): Promise<StateSpan[]> {
      return tx.run<StateSpan>(
        `select h.number, h.name, h.active, ${spanColumns('h')} from history_states h
         where h.tenant_id = $1::uuid and h.number = $2::int and h.from_position > $3::bigint
         order by h.from_position limit ${Math.trunc(limit)}`,
        [tenantId, number, after],
        { name: 'history-write' },
      )
    },

    /** When something last began or ended, in milliseconds since 1970; null where nothing has. */
    async newest(): Promise<number | null> {
      const [row] = await tx.run<{ newest: number | null }>(
        `select ${msOf('max(x.at)')} as newest from (
           select max(greatest(h.from_at, h.to_at)) as at from history_states h where h.tenant_id = $1::uuid
           union all select max(greatest(h.from_at, h.to_at)) from history_grants h where h.tenant_id = $1::uuid
         ) x`,
        [tenantId],
        { name: 'history-write', prepare: false },
      )
      return row?.newest ?? null
    },

    /** Takes the person's id away from a number. Gives whether it had one. */
    async forget(number: number): Promise<boolean> {
      const forgotten = await tx.run(
        `update history_subjects s set ref = null
         where s.tenant_id = $1::uuid and s.number = $2::int and s.ref is not null returning 1`,
        [tenantId, number],
        { name: 'history-write' },
      )
      return forgotten.length > 0
    },

    /** Adds rows and changes stored ones. */
    async write<S extends Span>(table: Table, written: readonly Written<S>[]): Promise<void> {
      const fresh = written.filter(({ stored }) => stored === undefined).map(({ span }) => asRow(span))
      const changed = written.flatMap(({ span, stored }) => (stored === undefined ? [] : [{ ...asRow(span), stored }]))
      const { names, types, key, rest } = columns(table)
      if (changed.length > 0) {
        const { parameters, tenant } = begin()
        const found = foundRows(tx.distributed, (row) => `${row}.tenant_id = ${tenant}`, ...key, 'from_position')
        const set = [...SPAN.split(', '), ...rest]
        await tx.run(
          `update ${table} h set ${set.map((column) => `${column} = n.new_${column}`).join(', ')}
           from (
             select ${found.columns('x')}, ${set.map((column) => `i.${column} as new_${column}`).join(', ')}
             from jsonb_to_recordset(${parameters.json(changed)}) i(${types}, stored bigint) cross join lateral (
               select ${found.columns('o')} from ${table} o where o.tenant_id = ${tenant}
                 and ${key.map((column) => `o.${column} = i.${column}`).join(' and ')} and o.from_position = i.stored offset 0
             ) x
           ) n where ${found.isRow('h', 'n')}`,
          parameters.values,
          { name: 'history-write' },
        )
      }
      if (fresh.length > 0) {
        const { parameters, tenant } = begin()
        await tx.run(
          `insert into ${table} (tenant_id, ${names})
           select ${tenant}, ${names} from jsonb_to_recordset(${parameters.json(fresh)}) i(${types})
           on conflict do nothing`,
          parameters.values,
          { name: 'history-write' },
        )
      }
    },
  }
}

export type HistoryRows = ReturnType<typeof historyRows>
