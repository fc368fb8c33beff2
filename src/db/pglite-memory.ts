import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'

/** Pages of 64 kB: what PGlite gives its program by itself. */
const FIRST_PAGES = 2_048
const MOST_PAGES = 32_768

/** A memory that several threads see. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer
}

/** A part of WebAssembly that the types of Node leave out. */
const { WebAssembly: wasm } = globalThis as unknown as {
  readonly WebAssembly: {
    compile(program: Uint8Array): Promise<WebAssembly.Module>
    readonly Memory: new (pages: {
      readonly initial: number
      readonly maximum: number
      readonly shared: true
    }) => SharedMemory
  }
}

/**
 * The engine's program, for a memory that several threads see.
 *
 * A statement that runs holds its thread, and looks now and then at two flags in memory: whether it is to be cancelled. Another
 * thread can set them where the memory is shared. PGlite's program asks for a memory that is not.
 */
export async function sharedProgram(): Promise<WebAssembly.Module> {
  const require = createRequire(import.meta.url)
  const program = await readFile(join(require.resolve('@electric-sql/pglite'), '../pglite.wasm'))
  return wasm.compile(withSharedMemory(program))
}

const HEADER_BYTES = 8
const IMPORTS = 2
/** In the imports of a program: its memory; what follows says how large it is, and of which kind. */
const MEMORY = Buffer.from('\x03env\x06memory\x02', 'latin1')
const HAS_MOST = 0x01
const SHARED_AND_HAS_MOST = 0x03

/** The same program, or library of it, for a memory that is shared. */
export function withSharedMemory(program: Uint8Array): Uint8Array {
  const bytes = Buffer.from(program.buffer, program.byteOffset, program.byteLength)
  let section = HEADER_BYTES
  while (section < bytes.length) {
    const size = readNumber(bytes, section + 1)
    const end = size.end + size.value
    const at = bytes[section] === IMPORTS ? bytes.subarray(size.end, end).indexOf(MEMORY) : -1
    if (at !== -1) {
      const limits = size.end + at + MEMORY.length
      const first = readNumber(bytes, limits + 1)
      const limitsEnd = bytes[limits] === HAS_MOST ? readNumber(bytes, first.end).end : first.end
      const shared = [SHARED_AND_HAS_MOST, ...numberBytes(first.value), ...numberBytes(MOST_PAGES)]
      const imports = [bytes.subarray(size.end, limits), Buffer.from(shared), bytes.subarray(limitsEnd, end)]
      const length = imports.reduce((sum, part) => sum + part.length, 0)
      const head = Buffer.from([IMPORTS, ...numberBytes(length)])
      return Buffer.concat([bytes.subarray(0, section), head, ...imports, bytes.subarray(end)])
    }
    section = end
  }
  throw new Error('this version of PGlite declares its memory in another way')
}

/** A number as WebAssembly writes it (LEB128): seven bits in a byte, the lowest first. */
function readNumber(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } {
  let value = 0
  for (let end = at, shift = 0; ; end++, shift += 7) {
    const byte = bytes[end] ?? 0
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return { value, end: end + 1 }
  }
}

const numberBytes = (value: number): number[] =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...numberBytes(value >>> 7)]

/** A memory for it. */
export const sharedMemory = () => new wasm.Memory({ initial: FIRST_PAGES, maximum: MOST_PAGES, shared: true })

/** Where PostgreSQL looks whether the statement that runs is to be cancelled. */
export interface CancelFlags {
  readonly memory: SharedArrayBuffer
  /** Addresses: whether there is anything to look at, and whether it is this. */
  readonly interruptPending: number
  readonly queryCancelPending: number
}

/** Cancels the statement that runs: it fails with 57014 where PostgreSQL next looks. */
export function raise({ memory, interruptPending, queryCancelPending }: CancelFlags): void {
  const words = new Int32Array(memory)
  Atomics.store(words, queryCancelPending >> 2, 1)
  Atomics.store(words, interruptPending >> 2, 1)
}

/** Forgets a cancellation that came when its statement was over: it would hit the next one. */
export function lower({ memory, queryCancelPending }: CancelFlags): void {
  Atomics.store(new Int32Array(memory), queryCancelPending >> 2, 0)
}
