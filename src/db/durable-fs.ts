import { fsyncSync } from 'node:fs'
import type { PGlite } from '@electric-sql/pglite'
import { NodeFS } from '@electric-sql/pglite/nodefs'

type Options = Parameters<NodeFS['init']>[1]
type PreRun = NonNullable<Options['preRun']>[number]
type NodeStreams = { stream_ops: { fsync?: (stream: { nfd?: number }) => number } }

/**
 * PGlite's folder on disk, with fsync. Its own has none, so that a commit is answered while it is still only in the
 * operating system's memory. Folders are synced as well: PostgreSQL does so after a rename.
 */
export class DurableFs extends NodeFS {
  override async init(pg: PGlite, options: Options): Promise<{ emscriptenOpts: Options }> {
    const { emscriptenOpts } = await super.init(pg, options)
    const addFsync: PreRun = (mod) => {
      const streams = (mod.NODEFS as unknown as NodeStreams).stream_ops
      streams.fsync = (stream) => {
        if (stream.nfd !== undefined) fsyncSync(stream.nfd)
        return 0
      }
    }
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...(emscriptenOpts.preRun ?? []), addFsync] } }
  }
}
