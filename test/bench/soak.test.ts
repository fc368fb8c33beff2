import { describe, expect, test } from 'vitest'
import { memoryGrowth, type SoakFindings, soakReport, soakVerdicts } from '../../bench/soak/report.ts'
import { foreignIn, lostWrites, newTraffic } from '../../bench/soak/traffic.ts'
import type { SoakWorld } from '../../bench/soak/world.ts'

const tenant = { id: 'x', name: 'tenant1', headers: {} }
const findings = (more: Partial<SoakFindings> = {}): SoakFindings => ({
  origin: { command: 'npm run soak', date: '2026-01-01', machine: 'a machine', versions: {} } as SoakFindings['origin'],
  minutes: 30,
  tenants: [
    { name: 'tenant1', requests: 10, acknowledged: 5, p50: 4, p99: 20, refused: 1, unanswered: 2, lost: [], wrong: [] },
  ],
  faults: [{ title: 'PostgreSQL killed', atSeconds: 75, tookMs: 1_500, longestSilenceMs: 2_000 }],
  memory: Array.from({ length: 30 }, (_, i) => ({ atSeconds: i, mb: 100 })),
  undelivered: 0,
  inconsistent: [],
  ...more,
})
const missed = (more: Partial<SoakFindings>) =>
  soakVerdicts(findings(more))
    .filter(({ reached }) => !reached)
    .map(({ what }) => what)

describe('the soak', () => {
  test('sees the names of other tenants in an answer, and not that of the tenant itself', () => {
    expect(
      foreignIn('{"userName":"tenant1~0-1"},{"userName":"tenant12~0-1"},{"userName":"tenant3~2-2"}', 'tenant1'),
    ).toEqual(['tenant12', 'tenant3'])
    expect(foreignIn('{"userName":"tenant1~0-1"}', 'tenant1')).toEqual([])
  })

  test('misses its target by one lost write, one foreign answer, one event or a tenth of memory', () => {
    const [one] = findings().tenants
    if (one === undefined) throw new Error('no tenant')
    expect(missed({})).toEqual([])
    expect(missed({ tenants: [{ ...one, lost: ['a user'] }] })).toEqual(['Acknowledged writes that were lost'])
    expect(missed({ tenants: [{ ...one, wrong: ['a user of tenant2'] }] })).toHaveLength(1)
    expect(missed({ undelivered: 1 })).toHaveLength(1)
    expect(missed({ inconsistent: ['a count'] })).toHaveLength(1)
    const memory = Array.from({ length: 30 }, (_, i) => ({ atSeconds: i, mb: i < 20 ? 100 : 115 }))
    expect(missed({ memory })).toHaveLength(1)
    // The first third is for warming up.
    expect(memoryGrowth(memory.map(({ atSeconds }, i) => ({ atSeconds, mb: i < 10 ? 50 : 100 })))).toBe(1)
    expect(memoryGrowth(memory.slice(0, 5))).toBeUndefined()
  })

  test('tells each tenant and each fault, and what went wrong', () => {
    const text = soakReport(findings({ inconsistent: ['count of User is 3 for 4'] }))
    expect(text).toContain('| tenant1 | 10 | 5 | 4.0 | 20.0 | 1 | 2 |')
    expect(text).toContain('| 1:15 | PostgreSQL killed | 1.5 s | 2.0 s |')
    expect(text).toContain('- count of User is 3 for 4')
  })

  test('finds a write that was acknowledged and is not there, and lets go those without a clear answer', async () => {
    const server = (await import('node:http')).createServer((request, response) => {
      const user = { userName: 'tenant1~0-1', title: 'old', active: true }
      response.statusCode = request.url?.endsWith('/gone') ? 404 : 200
      response.end(JSON.stringify(user))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const world = { instance: () => ({ origin: `http://127.0.0.1:${port}` }) } as unknown as SoakWorld
    const known = {
      userName: 'tenant1~0-1',
      title: 'old' as string | undefined,
      active: true,
      there: true,
      unsure: false,
    }
    const lost = async (id: string, more: object) => {
      const traffic = newTraffic(tenant)
      traffic.users.set(id, { ...known, ...more })
      return lostWrites(world, traffic)
    }
    expect(await lost('here', {})).toEqual([])
    expect(await lost('here', { title: 'new' })).toHaveLength(1)
    expect(await lost('here', { active: false })).toHaveLength(1)
    expect(await lost('here', { there: false })).toHaveLength(1)
    expect(await lost('gone', {})).toHaveLength(1)
    expect(await lost('gone', { there: false })).toEqual([])
    expect(await lost('gone', { unsure: true })).toEqual([])
    server.close()
  })
})
