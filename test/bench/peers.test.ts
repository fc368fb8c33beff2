import { expect, test } from 'vitest'
import type { PeerSide, PeersResult } from '../../bench/peers/measure.ts'
import { peersSection, peerVerdicts } from '../../bench/peers/report.ts'

const times = { p50: 1, p99: 2, p50s: [1], serverCpuUs: 100, postgresCpuUs: 50, rssMb: 90 }
const side = (perSecond: number): PeerSide => ({ ...times, perSecond, ratio: 1_000 / perSecond })
const cannot = { cannot: 'shows 0 | members' }
const one = (workload: string, name: string, sides: Record<string, PeerSide>) => ({
  ...{ workload, title: workload, name, connections: 1 },
  sides: { gateway: side(1_000), ...sides },
})

const result: PeersResult = {
  users: 10_100,
  servers: ['gateway', 'quick', 'whole'].map((name) => ({ name, title: name, usersPerSecond: 1 })),
  cases: [
    one('read', 'users', { quick: side(500), whole: side(100) }),
    one('group', '10k', { quick: cannot, whole: side(10) }),
    one('member', '10k', { quick: side(800), whole: side(1) }),
    one('create', 'users', { quick: cannot, whole: cannot }),
  ],
  left: [{ title: 'absent', cannot: 'it ended with 1' }],
  once: [{ title: 'Bulk', answers: { gateway: 'yes', quick: cannot, whole: 'yes' } }],
}

test('a target is held against the quickest server that can do the work', () => {
  expect(peerVerdicts(result)).toContainEqual(
    expect.objectContaining({ what: expect.stringContaining('÷ quick'), measured: '2.00', reached: false }),
  )
})

test('who never shows the members of a group is no measure for groups', () => {
  const members = peerVerdicts(result).find(({ what }) => what.startsWith('member'))
  expect(members).toMatchObject({ what: expect.stringContaining('÷ whole'), measured: '1000.00', reached: true })
})

test('where no server can, there is no target', () => {
  expect(peerVerdicts(result).some(({ what }) => what.startsWith('create'))).toBe(false)
})

test('the report says what a server does not do, and keeps its table whole', () => {
  const lines = peersSection(result).split('\n')
  expect(lines).toContain('| Bulk | yes | no: shows 0 \\| members | yes |')
  expect(lines).toContain('absent could not be set up: it ended with 1')
  expect(peersSection(undefined)).toContain('--peers')
})
