import { createReadStream } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { linesIn } from '../backup/lines.ts'
import type { Schemas } from '../client/index.ts'
import { positionOf, type TransferRecord } from '../transfer/records.ts'
import { CliError, EXIT } from './failure.ts'

/**
 * Keeps V8 small, because the embedded database needs the memory more. The space for young objects does not grow, since most
 * objects of a transfer die at once. V8 compiles only the hottest parts of the engine twice. Call this before the database is
 * opened, in commands that end with the transfer.
 */
export const keepHeapSmall = (): void => {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--wasm-tiering-budget=1000000000')
}

/**
 * A line of an export: `start` says what it is, then come the records, and `end` says that it is whole, and how many records
 * it has.
 */
export type Line =
  | { readonly kind: 'start'; readonly format: typeof FORMAT; readonly tenant: string }
  | { readonly kind: 'end'; readonly records: number }
  | Schemas['TransferRecord']

/** Counted up when older programs could not read what newer ones write. */
export const FORMAT = 1

/** A line with its number from 1, and where in the file it ends. */
export interface Numbered {
  readonly line: Line
  readonly number: number
  readonly bytes: number
}

/** How far an export in a file has come. */
export interface Begun {
  /** Id of the tenant. */
  readonly tenant: string
  readonly records: number
  /** The position to go on after; undefined at the beginning. */
  readonly after: string | undefined
  readonly whole: boolean
  /** Bytes of the lines that are there to their end. */
  readonly bytes: number
}

/** No line comes near it; what has none of its ends before is no export. */
const MAX_LINE_BYTES = 16 * 1_048_576

/** Reads how far an export has come; undefined for an empty file. @throws {CliError} for what is no export */
export async function begun(file: string): Promise<Begun | undefined> {
  let found: Begun | undefined
  for await (const { line, bytes } of linesOf(file)) {
    if (line.kind === 'start') found = { tenant: line.tenant, records: 0, after: undefined, whole: false, bytes }
    else if (line.kind === 'end') found = found && { ...found, whole: true, bytes }
    else found = found && { ...found, records: found.records + 1, after: positionOf(line as TransferRecord), bytes }
  }
  return found
}

/**
 * The lines of an export. What stands after the last line's end was cut short, and is left out.
 *
 * @throws {CliError} for what cannot be read, or is no export
 */
export async function* linesOf(file: string): AsyncGenerator<Numbered> {
  let number = 0
  const endless = () => noExport(file, 'has a line without end')
  for await (const { text, bytes } of linesIn(chunksOf(file), MAX_LINE_BYTES, endless)) {
    number++
    yield { line: parse(text, file, number), number, bytes }
  }
}

async function* chunksOf(file: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(file) as AsyncIterable<Buffer>
  } catch (error) {
    throw new CliError(EXIT.usage, `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const noExport = (file: string, how: string): CliError =>
  new CliError(EXIT.usage, `${file} is no export of a tenant: it ${how}`)

/** What a record must be beyond this, the gateway says. */
function parse(text: string, file: string, number: number): Line {
  let line: unknown
  try {
    line = JSON.parse(text)
  } catch {
    throw noExport(file, `has no JSON in line ${number}`)
  }
  if (typeof line !== 'object' || line === null || !('kind' in line))
    throw noExport(file, `has no kind in line ${number}`)
  if ((line.kind === 'start') !== (number === 1)) throw noExport(file, 'does not begin with a line of the kind "start"')
  if (line.kind === 'start' && (line as { format?: unknown }).format !== FORMAT)
    throw noExport(file, `is of another format than ${FORMAT}; a newer Rollcall reads it`)
  return line as Line
}
