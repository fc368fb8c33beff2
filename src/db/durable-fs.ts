import { fsyncSync } from 'node:fs'
import type { PGlite } from '@electric-sql/pglite'
import { NodeFS } from '@electric-sql/pglite/nodefs'

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

const NOBODY_ELSE = ~0o077

/**
 * PGlite's folder on disk, with fsync and for this account alone. PGlite's own file system has no fsync: it answers a commit that
 * is still only in the operating system's memory. It also lets every account read and write its files. This one syncs folders as
 * well, as PostgreSQL does after a rename.
 */
export class DurableFs extends NodeFS {
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
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...(emscriptenOpts.preRun ?? []), amend] } }
  }
}

const forNobodyElse =
  (setAttributes: SetAttributes): SetAttributes =>
  (of, attributes) =>
    setAttributes(of, attributes.mode == null ? attributes : { ...attributes, mode: attributes.mode & NOBODY_ELSE })
