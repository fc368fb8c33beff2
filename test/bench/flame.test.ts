import { describe, expect, it } from 'vitest'
import { type CpuProfile, frames, shares } from '../../bench/flame/profile.ts'
import { flameSvg } from '../../bench/flame/svg.ts'

const node = (id: number, functionName: string, children: number[] = [], url = 'file:///app/src/a.ts') => ({
  id,
  callFrame: { functionName, url, lineNumber: id, columnNumber: 0 },
  children,
})

/** root → serve (twice, as V8 has it before and after optimising) → parse; beside it idle time and the profiler. */
const profile: CpuProfile = {
  nodes: [
    node(1, '(root)', [2, 3, 5, 6], ''),
    node(2, 'serve', [4]),
    node(3, 'serve', [7]),
    node(4, 'parse<"x">'),
    node(5, '(idle)', [], ''),
    node(6, 'post', [], 'file:///app/bench/programs/profiler.mjs'),
    node(7, 'parse<"x">'),
  ],
  samples: [2, 4, 7, 5, 6, 3],
  timeDeltas: [10, 20, 30, 1_000, 500, 40],
}
const tree = frames(profile, ({ functionName }) => ({ name: functionName, at: '', owner: 'Rollcall' }))

describe('flame graph', () => {
  it('is of working time alone: neither of waiting nor of the profiler', () => {
    expect(tree.total).toBe(100)
  })

  it('puts a function that V8 has in several nodes together, with what it calls', () => {
    expect(tree.children).toHaveLength(1)
    expect(tree.children[0]).toMatchObject({ name: 'serve', self: 50, total: 100 })
    expect(tree.children[0]?.children).toEqual([expect.objectContaining({ name: 'parse<"x">', self: 50, total: 50 })])
  })

  it('gives shares that come to all of the time', () => {
    const each = shares(tree, ({ name }) => name)
    expect(each.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1)
  })

  it('writes names as text, whatever they hold', () => {
    const svg = flameSvg(tree, 'a & b')
    expect(svg).toContain('parse&lt;&quot;x&quot;>')
    expect(svg).not.toContain('<"x"')
    expect(svg).toContain('a &amp; b')
  })
})
