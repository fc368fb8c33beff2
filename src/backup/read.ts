import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { CannotRestore } from '../db/errors.ts'
import { digest, type EndLine, FORMAT, type Head, type SequencesLine, type TableLine } from './format.ts'
import { linesIn } from './lines.ts'

/** No row comes near it. */
const MAX_LINE_BYTES = 256 * 1_048_576

/** A row as the text of its JSON; or what the other lines say. */
export type Part = string | TableLine | SequencesLine | EndLine

/** A backup as it is read. */
export interface Backup {
  readonly head: Head
  /** What follows the head. It fails at the end where the file was cut or altered: until then nothing of it is to be trusted. */
  readonly parts: AsyncGenerator<Part, void>
}

/**
 * Opens the backup in a file.
 *
 * @throws {CannotRestore} where it cannot be read, or is no backup that this release knows
 */
export async function openBackup(file: string): Promise<Backup> {
  const damaged = (how: string, cause?: unknown) =>
    new CannotRestore(`${file} is no whole backup, and nothing of it was used: ${how}`, { cause })
  const hash = digest()
  const texts = linesIn(unpacked(file, damaged), MAX_LINE_BYTES, () => damaged('it has a line without end'))
  const first = await texts.next()
  const head = parse<Partial<Head> | undefined>(first.value?.text ?? '')
  if (head?.rollcall !== 'backup') throw damaged('it does not begin as one')
  if (head.format !== FORMAT)
    throw new CannotRestore(
      `${file} is of the format ${head.format}, and this release reads ${FORMAT}: take a newer one`,
    )
  hash.update(`${first.value?.text}\n`)
  return { head: head as Head, parts: partsOf(texts, hash, damaged) }
}

/** @throws {CannotRestore} where a file is no whole backup */
export async function checkBackup(file: string): Promise<void> {
  for await (const _ of (await openBackup(file)).parts);
}

type Damaged = (how: string, cause?: unknown) => CannotRestore

async function* unpacked(file: string, damaged: Damaged): AsyncGenerator<Buffer> {
  const gunzip = createGunzip()
  // Its failure ends `gunzip` too, whose reader is told.
  pipeline(createReadStream(file), gunzip).catch(() => {})
  try {
    yield* gunzip as AsyncIterable<Buffer>
  } catch (error) {
    throw damaged(error instanceof Error ? error.message : String(error), error)
  }
}

async function* partsOf(
  texts: AsyncIterable<{ readonly text: string }>,
  hash: ReturnType<typeof digest>,
  damaged: Damaged,
): AsyncGenerator<Part, void> {
  let ended = false
  for await (const { text } of texts) {
    if (ended) throw damaged('it goes on after its end')
    const other = text.startsWith('[') ? undefined : parse<TableLine | SequencesLine | EndLine>(text)
    if (other !== undefined && 'end' in other) {
      if (other.end.sha256 !== hash.digest('hex')) throw damaged('its checksum is another')
      ended = true
    } else {
      if (other === undefined && !text.startsWith('[')) throw damaged('it has a line that is no JSON')
      hash.update(`${text}\n`)
    }
    yield other ?? text
  }
  if (!ended) throw damaged('its end is missing')
}

function parse<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T
  } catch {
    return undefined
  }
}
