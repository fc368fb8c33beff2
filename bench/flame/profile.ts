/** A CPU profile as V8 gives it. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  /** Ids of nodes, in the order of time. */
  readonly samples: readonly number[]
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[]
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: {
    readonly functionName: string
    /** A file URL, `node:` and a name, or empty for what has no source. */
    readonly url: string
    /** From 0. */
    readonly lineNumber: number
    readonly columnNumber: number
  }
  readonly children?: readonly number[]
}

/** A function and where it is written, for people. */
export interface Place {
  readonly name: string
  /** Such as `src/app.ts:12`; empty for what has no source. */
  readonly at: string
  readonly owner: string
}

/** A function as it was called by those above it; times in microseconds, `total` with what it called. */
export interface Frame extends Place {
  readonly children: readonly Frame[]
  readonly self: number
  readonly total: number
}

/** What is no work of the server's: waiting, and the profiler itself. */
const isWork = ({ functionName, url }: ProfileNode['callFrame']) =>
  functionName !== '(idle)' && !url.endsWith('/programs/profiler.mjs')

/** The tree of calls while the process was working; `locate` puts a source file in place of a compiled one. */
export function frames(profile: CpuProfile, locate: (frame: ProfileNode['callFrame']) => Place): Frame {
  const self = new Map<number, number>()
  profile.samples.forEach((id, i) => {
    self.set(id, (self.get(id) ?? 0) + Math.max(0, profile.timeDeltas[i] ?? 0))
  })
  const byId = new Map(profile.nodes.map((node) => [node.id, node]))
  const build = (nodes: readonly ProfileNode[]): Frame[] => {
    // The same function may stand in several nodes: optimised, not optimised, on other lines.
    const groups = new Map<string, { place: Place; nodes: ProfileNode[] }>()
    for (const node of nodes) {
      if (!isWork(node.callFrame)) continue
      const place = locate(node.callFrame)
      const key = `${place.name} ${place.at}`
      const group = groups.get(key) ?? { place, nodes: [] }
      groups.set(key, group)
      group.nodes.push(node)
    }
    return [...groups.values()].map(({ place, nodes: same }) => {
      const children = build(same.flatMap(({ children: ids = [] }) => ids.flatMap((id) => byId.get(id) ?? []))).sort(
        (a, b) => b.total - a.total,
      )
      const own = same.reduce((sum, { id }) => sum + (self.get(id) ?? 0), 0)
      return { ...place, children, self: own, total: children.reduce((sum, child) => sum + child.total, own) }
    })
  }
  const [root] = build(profile.nodes.slice(0, 1))
  if (root === undefined) throw new Error('the profile is empty')
  return root
}

/** What share of the working time is spent in each function or owner itself, most first. */
export function shares(root: Frame, of: (frame: Frame) => string): { readonly what: string; readonly share: number }[] {
  const sums = new Map<string, number>()
  const visit = (frame: Frame) => {
    if (frame.self > 0) sums.set(of(frame), (sums.get(of(frame)) ?? 0) + frame.self)
    for (const child of frame.children) visit(child)
  }
  visit(root)
  return [...sums].map(([what, time]) => ({ what, share: time / root.total })).sort((a, b) => b.share - a.share)
}
