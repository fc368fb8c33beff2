import { describe, expect, test } from 'vitest'
import { costOf } from '../../bench/costs/measure.ts'
import { costVerdicts } from '../../bench/costs/report.ts'
import { LOADS, type LoadName, wrongAnswers } from '../../bench/fair/loads.ts'
import { type FairResult, quietResult } from '../../bench/fair/measure.ts'
import { fairChart, fairSection, fairTarget, fairVerdicts } from '../../bench/fair/report.ts'
import { freshVerdicts, stretchesOf } from '../../bench/fresh/report.ts'
import { type CaseResult, inTurns } from '../../bench/measure.ts'
import { readOptions } from '../../bench/options.ts'
import { chosenParts } from '../../bench/parts.ts'
import { bare } from '../../bench/programs/bare-sql.ts'
import { type Statement, sameRows, sameRowsBesides } from '../../bench/programs/ceiling-sql.ts'
import type { RuleResult } from '../../bench/role-rules/measure.ts'
import { roleRuleVerdicts } from '../../bench/role-rules/report.ts'
import { BARE_RATIOS, bareTarget, GROWING, growthOf, RATIOS, ratioTarget } from '../../bench/targets.ts'
import { tenantsSection, tenantsVerdicts } from '../../bench/tenants/report.ts'
import { webhookVerdicts } from '../../bench/webhooks/report.ts'
import { workloads } from '../../bench/workloads/index.ts'

describe('targets', () => {
  test('each is about a workload that there is', () => {
    const names = workloads.map(({ name }) => name)
    for (const target of [...Object.keys(RATIOS), ...Object.keys(BARE_RATIOS), ...GROWING]) {
      expect(names).toContain(target)
    }
  })

  test('a day over ten thousand tenants has one of its own, and what no ceiling does has none', () => {
    expect(ratioTarget({ workload: 'day', name: '1000 tenants' })).toBe(0.75)
    expect(ratioTarget({ workload: 'day', name: '10000 tenants' })).toBe(0.7)
    expect(bareTarget({ workload: 'deactivate', name: '1M' })).toBe(0.55)
    expect(bareTarget({ workload: 'deactivate', name: '1M, with a manager' })).toBeUndefined()
    expect(ratioTarget({ workload: 'read', name: 'in 3 groups' })).toBeUndefined()
  })

  test('growth leaves out what the same rows grow by, round by round', () => {
    const times = (ours: number[], ceiling: number[]) =>
      ({ ours: { p50s: ours }, ceiling: { p50s: ceiling } }) as unknown as CaseResult
    expect(growthOf(times([4, 8, 6], [2, 4, 3]), times([2, 2, 2], [1, 1, 2]))).toBe(1)
    expect(growthOf(times([6, 6, 6], [1, 1, 1]), times([2, 2, 2], [1, 1, 1]))).toBe(3)
  })
})

describe('what a write costs', () => {
  test('is counted for each write over all windows; images are unknown where one window does not know them', () => {
    const spent = { bytes: 1_000, images: 200, cpuMs: 3, writes: 10 }
    expect(costOf([spent, { ...spent, bytes: 2_000, writes: 20 }])).toEqual({
      bytes: 100,
      imageBytes: 400 / 30,
      cpuUs: 200,
    })
    expect(costOf([spent, { ...spent, images: undefined }]).imageBytes).toBeUndefined()
  })

  test('images of whole pages do not count, and a bulk has no target for CPU', () => {
    const cost = (bytes: number, cpuUs: number) => ({ bytes, imageBytes: 3_000, cpuUs })
    const of = (workload: string) =>
      costVerdicts([
        { ...{ workload, title: 'Write', case: '1k' }, sides: { ours: cost(7_900, 500), bare: cost(5_000, 200) } },
      ])
    expect(of('create')).toEqual([
      { what: 'Write, 1k: bytes of log', target: '≤ 5.00 kB', measured: '4.90 kB', reached: true },
      { what: "Write, 1k: PostgreSQL's CPU ÷ bare", target: '≤ 2.00', measured: '2.50', reached: false },
    ])
    expect(of('bulk').map(({ what }) => what)).toEqual(['Write, 1k: bytes of log'])
    expect(of('read')).toEqual([])
  })
})

test('role rules: each write against the same without them, large tenants against small ones, groups beside each other', () => {
  const of = (workload: string, users: number, ratio: number, withRules: number): RuleResult => {
    const side = (perSecond: number) => ({ perSecond, rates: [perSecond], p50: 1, serverCpuUs: 1, postgresCpuUs: 1 })
    return { workload, title: workload, users, without: side(100), with: side(withRules), ratio }
  }
  const judged = roleRuleVerdicts([
    of('rules-member', 2_000, 0.5, 50),
    of('rules-members-of-many', 2_000, 0.7, 40),
    of('rules-delete', 2_000, 0.8, 90),
    of('rules-delete', 20_000, 0.8, 45),
  ])
  expect(Object.fromEntries(judged.map(({ what, measured, reached }) => [what, `${measured} ${reached}`]))).toEqual({
    'rules-member, 2k: with role rules ÷ without': '0.50 false',
    'rules-members-of-many, 2k: with role rules ÷ without': '0.70 true',
    'rules-delete, 2k: with role rules ÷ without': '0.80 true',
    'rules-delete, 20k: with role rules ÷ without': '0.80 true',
    'rules-delete: per second, 20k ÷ 2k': '1.00 true',
    'rules-delete, with role rules: per second, 20k ÷ 2k': '0.50 false',
    'With role rules, 2k: members of different groups per second ÷ members of one group': '0.80 false',
  })
})

describe('the first sync into an empty database', () => {
  const rates = (creates: readonly number[]) =>
    creates.map((each, i) => ({ users: (i + 1) * 1_000, creates: each, deactivations: 100 }))

  test('a single slow thousand is none, a slow stretch is one', () => {
    const before = Array(5).fill(100)
    expect(stretchesOf([...before, 100, 100, 20, 100, 100])).toEqual([1])
    expect(stretchesOf([...before, 100, 100, 20, 20, 20])).toEqual([0.2])
  })

  test('is not slow where it only begins so, and too short a run says nothing', () => {
    expect(stretchesOf([20, 40, 60, 80, 90, ...Array(6).fill(100)])).toEqual([100 / 60, 100 / 70])
    expect(stretchesOf([100, 20, 20, 20, 20, 20])).toEqual([1])
  })

  test('is judged on each engine, by what came before', () => {
    const slow = [...Array(10).fill(100), ...Array(5).fill(80)]
    const judged = freshVerdicts({ users: 15_000, engines: [{ name: 'PostgreSQL', rates: rates(slow) }] })
    expect(judged.map(({ measured, reached }) => [measured, reached])).toEqual([
      ['0.80', false],
      ['1.00', true],
    ])
  })

  test('what grows dear to PostgreSQL is told apart from what is slow for another reason', () => {
    const dear = rates([10, ...Array(9).fill(100)]).map((one, i) => ({
      ...{ ...one, cpuUs: { creates: i < 5 ? 450 : 500, deactivations: i < 5 ? 400 : 500 } },
    }))
    const judged = freshVerdicts({ users: 10_000, engines: [{ name: 'PostgreSQL', rates: dear }] })
    expect(judged.map(({ measured, reached }) => [measured, reached])).toEqual([
      ['1.00', true],
      ['1.11', true],
      ['1.00', true],
      ['1.25', false],
    ])
  })
})

test('webhooks may cost a create a tenth, and ten of them a fifth', () => {
  const write = (endpoints: number, ratio: number) => ({
    endpoints,
    ratio,
    perSecond: 1,
    p50: 1,
    p99: 1,
    messagesPerSecond: 1,
  })
  const deactivations = { p50: 100, p99: 200 } as Parameters<typeof webhookVerdicts>[0]['deactivations']
  const judged = webhookVerdicts({ writes: [write(0, 1), write(1, 0.89), write(10, 0.81)], drains: [], deactivations })
  expect(judged.map(({ reached }) => reached)).toEqual([false, true, true, true])
})

describe('quiet tenants beside a loud one', () => {
  const timed = (ms: number, said = '200') => ({ ms, said })
  const result = (alone: number, p99: number, more: object = {}): FairResult => ({
    ...{ engine: 'embedded', users: 50_000, alone: quietResult([timed(alone)]) },
    beside: [
      {
        ...{ ...quietResult([timed(p99)]), load: 'co', title: LOADS.co.title, answers: { '200': 7, '429': 2 } },
        ...{ wrong: [], longestLivez: 5, rssMb: 100, ...more },
      },
    ],
  })

  test('are timed by share, and all that is not 2xx is counted', () => {
    const times = Array.from({ length: 100 }, (_, i) => timed(100 - i))
    expect(quietResult([...times, timed(0, '503'), timed(0, 'failed')])).toEqual({
      ...{ requests: 102, p50: 50, p99: 99 },
      refused: { '503': 1, failed: 1 },
    })
  })

  test('may take four times as long as alone, and always 60 ms', () => {
    expect([fairTarget(result(8, 1)), fairTarget(result(20, 1))]).toEqual([60, 80])
    const reached = (one: FairResult) => fairVerdicts([one]).map(({ reached }) => reached)
    expect(reached(result(20, 80))).toEqual([true])
    expect(reached(result(20, 81))).toEqual([false])
  })

  test('a refused one is a miss however quick it was, and so is an answer of the loud that nobody should get', () => {
    const missed = (more: object) => fairVerdicts([result(20, 5, more)]).filter(({ reached }) => !reached)
    expect(missed({ refused: { '503': 4 } })).toMatchObject([{ measured: 'quiet 503: 4' }])
    expect(missed({ wrong: ['500: 1'] })).toMatchObject([{ measured: 'loud 500: 1' }])
  })

  test('the loud is answered 2xx, 429 or 503, and that a filter is too dear', () => {
    const answers = { '200': 5, '201': 5, '429': 5, '503': 5, '500': 1, '400 tooMany': 2, failed: 3 }
    expect(wrongAnswers('creates', answers)).toEqual(['500: 1', '400 tooMany: 2', 'failed: 3'])
    expect(wrongAnswers('terms', answers)).toEqual(['500: 1', 'failed: 3'])
  })

  test('each load has a row in the table and a bar in the picture', () => {
    const names = Object.keys(LOADS) as LoadName[]
    const [
      {
        beside: [one],
      } = { beside: [] },
    ] = [result(8, 900)]
    if (one === undefined) throw new Error('nothing was measured')
    const whole = { ...result(8, 1), beside: names.map((load) => ({ ...one, load, title: LOADS[load].title })) }
    const [section, chart] = [fairSection([whole]), fairChart([whole])]
    for (const { title } of Object.values(LOADS)) {
      expect(section).toContain(`| ${title} | **900.0 / 900.0** |`)
      expect(chart).toContain(`>${title.replaceAll('`', '')}</text>`)
    }
    expect(chart.match(/#c8553d/g)).toHaveLength(names.length)
    expect(fairSection([])).toBe('')
  })
})

describe('tenants that do nothing', () => {
  const of = (tenants: number, more: object = {}) => ({
    ...{ tenants, startMs: 400, rssMb: 80, retentionMs: 1, overviewMs: 10, coldMs: 5, warmMs: 2, newTenantMs: 200 },
    ...{ idle: { perSecond: 2, databaseMs: 0.1 }, idleWithWebhooks: { perSecond: 20, databaseMs: 2 } },
    ...{ askedAfterChange: 0, numberedMs: tenants },
    ...more,
  })

  test('cost nothing, however many there are; what grows with them misses its target', () => {
    const missed = (more: object) =>
      tenantsVerdicts([of(1_000), of(10_000), of(100_000, more)])
        .filter(({ reached }) => !reached)
        .map(({ what }) => what)
    expect(missed({})).toEqual([])
    expect(missed({ idle: { perSecond: 2, databaseMs: 133 } })).toEqual(['100k tenants, idle: PostgreSQL in a second'])
    expect(missed({ retentionMs: 15_700 })).toEqual(['100k tenants: a pass of retention with nothing to delete'])
    expect(missed({ numberedMs: 300_000 })).toEqual(['100k tenants: numbering, per event ÷ with 1k'])
    expect(missed({ coldMs: 11 })).toHaveLength(1)
    // All requests are slow where the machine is.
    expect(missed({ coldMs: 11, warmMs: 4 })).toEqual([])
    expect(missed({ rssMb: 221 })).toEqual(['100k tenants: memory, more than with 1k'])
    expect(missed({ askedAfterChange: 1 })).toHaveLength(1)
  })

  test('one number of them says nothing of growth, and none has no section', () => {
    expect(tenantsVerdicts([of(1_000)])).toEqual([])
    expect(tenantsSection([])).toBe('')
    expect(tenantsSection([of(1_000)])).toContain('| 1k | 400 | 80 | 2.0 / 0.1 |')
  })
})

test('in every round another side is the first', () => {
  expect([0, 1, 2, 3].map((round) => inTurns(['a', 'b', 'c'], round).join(''))).toEqual(['abc', 'bca', 'cab', 'abc'])
})

test('a part fills what it needs: role rules the crowds, a first sync into an empty database nothing', () => {
  const fill = (...args: string[]) => [...chosenParts(readOptions(args)).fill]
  expect(fill('--only', 'role-rules')).toEqual(['crowds'])
  expect(fill('--only', 'fresh')).toEqual([])
  expect(fill('--only', 'fair,tenants')).toEqual([])
  expect(readOptions([]).engines).toEqual(['postgres', 'embedded'])
  expect(readOptions(['--embedded']).engines).toEqual(['embedded'])
  expect(chosenParts(readOptions(['--quick'])).besides.has('fresh')).toBe(false)
  expect(chosenParts(readOptions([])).besides.has('fresh')).toBe(true)
  const without = chosenParts(readOptions(['--without', 'fresh,create'])).workloads.map(({ name }) => name)
  expect(without).not.toContain('create')
  expect(chosenParts(readOptions(['--without', 'fresh'])).besides.has('fresh')).toBe(false)
  expect(() => chosenParts(readOptions(['--without', 'nothing']))).toThrow('there is no part "nothing"')
})

test.each([
  ...Object.entries<Statement>({ ...sameRows, ...sameRowsBesides }),
  ...Object.entries<Statement>(bare).map(([name, statement]) => [`bare ${name}`, statement] as const),
])('the statement of a ceiling takes as many values as it has parameters: %s', (_, { takes, text }) => {
  expect(Math.max(...[...text.matchAll(/\$(\d+)/g)].map(([, n]) => Number(n)))).toBe(takes.length)
})
