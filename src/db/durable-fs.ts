import { fsyncSync } from 'node:fs'
import type { PGlite } from '@electric-sql/pglite'
import { NodeFS } from '@electric-sql/pglite/nodefs'
import { type SharedMemory, withSharedMemory } from './pglite-memory.ts'

type Options = Parameters<NodeFS['init']>[1]
type PreRun = NonNullable<Options['preRun']>[number]
type SetAttributes = (of: unknown, attributes: { mode?: number }) => void
interface NodeOperations {
  readonly node_ops: {
    mknod: (parent: unknown, name: string, mode: number, device: unknown) => unknown
    setattr: SetAttributes
  }
  readonly stream_ops: { setattr: SetAttributes; fsync?: (stream: { nfd?: number }) => number }
}

/** In PGlite's own files. */
const LIBRARIES = '/pglite/lib/postgresql'
const NOBODY_ELSE = ~0o077

/**
 * PGlite's folder on disk, with fsync and for this account alone. PGlite's own file system has no fsync: it answers a commit that
 * is still only in the operating system's memory. It also lets every account read and write its files. This one syncs folders as
 * well, as PostgreSQL does after a rename.
 *
 * A file system also decides how PGlite loads its program and the libraries of that. Here they share their memory with other
 * threads.
 */
export class DurableFs extends NodeFS {
  readonly #memory: SharedMemory
  readonly #onAbort: (what: string) => void

  /** @param onAbort called when the program has failed, and cannot go on */
  constructor(folder: string, memory: SharedMemory, onAbort: (what: string) => void) {
    super(folder)
    this.#memory = memory
    this.#onAbort = onAbort
  }

  override async init(pg: PGlite, options: Options): Promise<{ emscriptenOpts: Options }> {
    const { emscriptenOpts } = await super.init(pg, options)
    const amend: PreRun = (mod) => {
      const { node_ops: nodes, stream_ops: streams } = mod.NODEFS as unknown as NodeOperations
      streams.fsync = (stream) => {
        if (stream.nfd !== undefined) fsyncSync(stream.nfd)
        return 0
      }
      const { mknod } = nodes
      nodes.mknod = (parent, name, mode, device) => mknod(parent, name, mode & NOBODY_ELSE, device)
      nodes.setattr = forNobodyElse(nodes.setattr)
      streams.setattr = forNobodyElse(streams.setattr)
    }
    const program: Options = { wasmMemory: this.#memory, onAbort: this.#onAbort }
    return { emscriptenOpts: { ...emscriptenOpts, ...program, preRun: [...(emscriptenOpts.preRun ?? []), amend] } }
  }

  /** Called when the program and its files are there, and before it loads any library. */
  override async initialSyncFs(): Promise<void> {
    const files = (this.pg as PGlite).Module.FS
    for (const name of files.readdir(LIBRARIES).filter((name: string) => name.endsWith('.so'))) {
      const path = `${LIBRARIES}/${name}`
      files.writeFile(path, withSharedMemory(files.readFile(path)))
    }
  }
}

const forNobodyElse =
  (setAttributes: SetAttributes): SetAttributes =>
  (of, attributes) =>
    setAttributes(of, attributes.mode == null ? attributes : { ...attributes, mode: attributes.mode & NOBODY_ELSE })
