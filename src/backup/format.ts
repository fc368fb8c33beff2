import { createHash, type Hash } from 'node:crypto'

/**
 * A backup is a gzip file of lines of JSON:
 *
 *     {"rollcall":"backup","format":1,…}                  what it is of
 *     {"table":"tenants","columns":["id","key",…]}        for each table, and then its rows,
 *     ["0197…","acme",null,…]                             each value as PostgreSQL's text for it
 *     {"sequences":{"events_seq_seq":"4711"}}
 *     {"end":{"rows":{"tenants":12,…},"sha256":"…"}}      of all lines before; without this line it is not whole
 *
 * It names no version of the engine that has to read it: a newer engine takes the same texts.
 */

/** Counted up when older programs could not read what newer ones write. */
export const FORMAT = 1

/** The first line. */
export interface Head {
  readonly rollcall: 'backup'
  readonly format: typeof FORMAT
  /** Of Rollcall. */
  readonly version: string
  /** When the last migration of its tables was made, in ms since 1970. */
  readonly migration: number
  /** Of PostgreSQL. */
  readonly engine: string
  readonly time: string
}

/** What follows are rows of this table. */
export interface TableLine {
  readonly table: string
  readonly columns: readonly string[]
}

/** The last numbers that sequences gave. */
export interface SequencesLine {
  readonly sequences: Readonly<Record<string, string>>
}

export interface EndLine {
  readonly end: { readonly rows: Readonly<Record<string, number>>; readonly sha256: string }
}

/** Of all lines with their ends, but the last. */
export const digest = (): Hash => createHash('sha256')
