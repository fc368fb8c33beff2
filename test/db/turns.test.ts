import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { NoTurn, ReaderGone } from '../../src/db/errors.ts'
import { sharesOf, Turns, type Whose } from '../../src/db/turns.ts'

const control: Whose = { kind: 'control', party: '', lane: '' }
const background: Whose = { kind: 'background', party: '', lane: '' }
const of = (party: string, lane = ''): Whose => ({ kind: 'tenant', party, lane })

let now = 0
let turns: Turns
/** The names of what has begun, in order. */
let begun: string[]
let ends: Map<string, () => void>
const open = (connections: number, ofTenant?: number) => {
  turns = new Turns(sharesOf(connections, ofTenant), undefined, () => now)
}
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  now = 0
  begun = []
  ends = new Map()
})
afterEach(() => vi.useRealTimers())

/** Asks for a turn for work that lasts until `end`. */
function ask(whose: Whose, name: string, signal?: AbortSignal): Promise<string> {
  return turns.take(whose, 5_000, { signal }, () => {
    begun.push(name)
    return new Promise((resolve) => ends.set(name, () => resolve(name)))
  })
}

/** Ends work `afterMs` later; what follows has begun then. */
async function end(name: string, afterMs: number): Promise<void> {
  now += afterMs
  ends.get(name)?.()
  ends.delete(name)
  await vi.advanceTimersByTimeAsync(0)
}

/** Serves what is under way and waits, each for as long as `lasts` says; all names in the order of their begin. */
async function serve(lasts: (name: string) => number): Promise<string[]> {
  for (let [name] = ends.keys(); name !== undefined; [name] = ends.keys()) await end(name, lasts(name))
  return begun
}

describe('tenants share the connections by time', () => {
  test('a tenant with slow statements never gets ahead of one with quick ones, however many it has waiting', async () => {
    open(1)
    void ask(of('slow'), 'slow 0')
    for (let n = 1; n < 20; n++) void ask(of('slow'), `slow ${n}`)
    for (let n = 0; n < 20; n++) void ask(of('quick'), `quick ${n}`)
    const order = await serve((name) => (name.startsWith('slow') ? 500 : 5))
    // What was under way went on; then the quick one had all it wanted, which is less than the slow one had had.
    expect(order.slice(0, 21)).toEqual(['slow 0', ...Array.from({ length: 20 }, (_, n) => `quick ${n}`)])
    expect(order).toHaveLength(40)
  })

  test('nor by asking for one at a time', async () => {
    open(1)
    void ask(of('slow'), 'slow 0')
    for (let n = 0; n < 10; n++) void ask(of('quick'), `quick ${n}`)
    await end('slow 0', 500)
    void ask(of('slow'), 'slow 1')
    const order = await serve((name) => (name.startsWith('slow') ? 500 : 5))
    expect(order.at(-1)).toBe('slow 1')
  })

  test('among tenants with statements that take the same each one has every turn in n', async () => {
    open(1)
    void ask(of('loud'), 'loud 0')
    for (let n = 1; n < 30; n++) void ask(of('loud'), `loud ${n}`)
    for (const name of ['a', 'b', 'c']) for (let n = 0; n < 3; n++) void ask(of(name), `${name} ${n}`)
    const order = (await serve(() => 10)).map((name) => name.split(' ')[0])
    for (let round = 1; round + 4 <= 12; round += 4)
      expect(new Set(order.slice(round, round + 4)).size).toBeGreaterThan(2)
    expect(order.slice(0, 13).filter((name) => name === 'loud').length).toBeLessThan(6)
  })

  test('a tenant that rested has saved nothing up, and what was had before all rested counts no longer', async () => {
    open(1)
    void ask(of('early'), 'early 0')
    await end('early 0', 60_000)
    // Both are new again.
    void ask(of('other'), 'other 0')
    void ask(of('early'), 'early 1')
    void ask(of('other'), 'other 1')
    void ask(of('third'), 'third 0')
    const order = await serve(() => 10)
    expect(order.indexOf('early 1')).toBeLessThan(order.indexOf('other 1'))
    expect(order.indexOf('third 0')).toBeLessThan(order.indexOf('other 1'))
  })

  test('in a tenant its keys share in the same way, and in a key the first comes first', async () => {
    open(1)
    for (let n = 0; n < 5; n++) void ask(of('one', 'loud'), `loud ${n}`)
    for (let n = 0; n < 2; n++) void ask(of('one', 'quiet'), `quiet ${n}`)
    const order = await serve(() => 10)
    expect(order.slice(0, 5)).toEqual(['loud 0', 'quiet 0', 'loud 1', 'quiet 1', 'loud 2'])
  })

  test('many tenants that come once each are forgotten, and take their turns in the order in which they came', async () => {
    open(1)
    const names = Array.from({ length: 300 }, (_, n) => `t${n}`)
    for (const name of names) void ask(of(name), name)
    expect(await serve(() => 3)).toEqual(names)
  })
})

describe('a tenant has at most a share of the connections', () => {
  const waiting = (count: number, name: string) => {
    for (let n = 0; n < count; n++) void ask(of(name), `${name} ${n}`)
  }
  const underWay = (name: string) => begun.filter((one) => one.startsWith(`${name} `)).length

  test('half while others have work, nearly all while none has, and one is left for who comes', async () => {
    open(10)
    waiting(20, 'loud')
    expect(underWay('loud')).toBe(7)
    waiting(1, 'quiet')
    expect(underWay('quiet')).toBe(1)
    await end('loud 0', 10)
    await end('loud 1', 10)
    // Seven less two: it has its half, and gets no more before the other is done.
    expect(underWay('loud')).toBe(7)
    await end('quiet 0', 10)
    expect(underWay('loud')).toBe(9)
  })

  test('the share is a setting, and never more than leaves one for others', () => {
    expect([1, 2, 3, 4, 10].map((connections) => sharesOf(connections).ofTenant)).toEqual([1, 1, 1, 2, 5])
    expect(sharesOf(10, 3).ofTenant).toBe(3)
    expect(sharesOf(10, 100)).toMatchObject({ ofTenant: 7, ofTenants: 8, ofWork: 9, most: 10 })
  })

  test('the control plane never waits for tenants or for the work behind the requests', () => {
    open(10)
    for (const name of ['a', 'b', 'c']) waiting(20, name)
    for (let n = 0; n < 20; n++) void ask(background, `behind ${n}`)
    expect(begun).toHaveLength(9)
    void ask(control, 'key 0')
    expect(begun.at(-1)).toBe('key 0')
  })

  test('on one connection the control plane is next', async () => {
    open(1)
    waiting(5, 'loud')
    void ask(background, 'behind')
    void ask(control, 'key')
    await end('loud 0', 10)
    expect(begun).toEqual(['loud 0', 'key'])
  })
})

describe('the work behind the requests', () => {
  test('is not starved by tenants, and gets a part of the time that it does not exceed', async () => {
    open(1)
    for (let n = 0; n < 80; n++) void ask(of('loud'), `loud ${n}`)
    for (let n = 0; n < 80; n++) void ask(background, `behind ${n}`)
    const order = (await serve(() => 10)).slice(0, 81)
    expect(order.filter((name) => name.startsWith('behind'))).toHaveLength(9)
  })

  test('what it used while no tenant had work is not held against it', async () => {
    open(1)
    void ask(background, 'behind 0')
    await end('behind 0', 60_000)
    void ask(of('a'), 'a 0')
    void ask(of('a'), 'a 1')
    void ask(background, 'behind 1')
    expect((await serve(() => 100)).slice(1, 4)).toEqual(['a 0', 'behind 1', 'a 1'])
  })

  test('leaves connections to tenants however much of it there is', () => {
    open(10)
    void ask(of('a'), 'a 0')
    for (let n = 0; n < 20; n++) void ask(background, `behind ${n}`)
    expect(begun.filter((name) => name.startsWith('behind'))).toHaveLength(2)
  })
})

describe('what waits', () => {
  test('gives up when its time is over, and those behind it go on', async () => {
    open(1)
    void ask(of('a'), 'a 0')
    const late = ask(of('a'), 'a 1').catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(4_900)
    const patient = ask(of('a'), 'a 2')
    await vi.advanceTimersByTimeAsync(100)
    expect(await late).toBeInstanceOf(NoTurn)
    await end('a 0', 5_000)
    await end('a 2', 1)
    expect(await patient).toBe('a 2')
    expect(begun).toEqual(['a 0', 'a 2'])
  })

  test('gives up when its client has gone, and makes room for what may go now', async () => {
    open(10)
    const gone = new AbortController()
    for (let n = 0; n < 8; n++) void ask(of('a'), `a ${n}`)
    const left = Array.from({ length: 6 }, (_, n) =>
      ask(of('b'), `b ${n}`, gone.signal).catch((error: unknown) => error),
    )
    expect(begun).toHaveLength(8)
    gone.abort()
    expect((await Promise.all(left.slice(1))).every((error) => error instanceof ReaderGone)).toBe(true)
    expect(begun).toEqual([...Array.from({ length: 7 }, (_, n) => `a ${n}`), 'b 0'])
  })

  test('of a client that has gone before is not begun', async () => {
    open(1)
    void ask(of('a'), 'a 0')
    await expect(ask(of('a'), 'a 1', AbortSignal.abort())).rejects.toBeInstanceOf(ReaderGone)
    await end('a 0', 1)
    expect(begun).toEqual(['a 0'])
  })

  test('has the time that is left when its turn comes', async () => {
    open(1)
    void ask(of('a'), 'a 0')
    let left = 0
    const waited = turns.take(of('b'), 5_000, undefined, async (_, ms) => {
      left = ms
    })
    await end('a 0', 1_200)
    await waited
    expect(left).toBe(3_800)
  })

  test('waits for a turn that is held beyond its outcome', async () => {
    open(1)
    let free = () => {}
    await turns.take(of('a'), 5_000, undefined, async (hold) => {
      hold(
        new Promise<void>((resolve) => {
          free = resolve
        }),
      )
    })
    void ask(of('b'), 'b 0')
    await vi.advanceTimersByTimeAsync(10)
    expect(begun).toEqual([])
    free()
    await vi.advanceTimersByTimeAsync(0)
    expect(begun).toEqual(['b 0'])
  })

  test('work that fails gives its turn back', async () => {
    open(1)
    await expect(turns.take(of('a'), 5_000, undefined, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    void ask(of('a'), 'a 0')
    expect(begun).toEqual(['a 0'])
  })
})
