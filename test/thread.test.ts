import { expect, test } from 'vitest'
import { type LongWork, Thread } from '../src/thread.ts'

const SLICE_MS = 5

/** A thread whose clock goes on by one with each step, and whose turns begin when they are told to. */
function opened() {
  let ms = 0
  const turns: (() => void)[] = []
  const thread = new Thread(
    SLICE_MS,
    () => ms,
    (begin) => turns.push(begin),
  )
  const done: string[] = []
  /** Works in so many steps, each of a millisecond. */
  const work = async (name: string, of: LongWork, steps: number) => {
    for (let step = 0; step < steps; step++) {
      const pause = of.pause()
      if (pause) await pause
      ms++
      done.push(name)
    }
  }
  /** What was done in each turn of the event loop, until none is asked for any more. */
  const allTurns = async () => {
    const each: string[] = []
    for (;;) {
      // All that can go on does so in less than so many microtasks.
      for (let i = 0; i < 50; i++) await undefined
      each.push(done.splice(0).join(''))
      const begin = turns.shift()
      if (begin === undefined) return each
      expect(turns).toEqual([])
      begin()
    }
  }
  return { thread, work, allTurns }
}

test('one piece goes on for one slice in each turn of the event loop', async () => {
  const { thread, work, allTurns } = opened()
  void work('a', thread.work('one'), 12)
  expect(await allTurns()).toEqual(['aaaaa', 'aaaaa', 'aa', ''])
})

test('pieces that come in the same turn do not share it', async () => {
  const { thread, work, allTurns } = opened()
  for (const name of ['a', 'b', 'c']) void work(name, thread.work(name), 2)
  expect(await allTurns()).toEqual(['aa', 'bb', 'cc', ''])
})

test('parties have the thread one after the other, however many pieces one of them has', async () => {
  const { thread, work, allTurns } = opened()
  for (const name of ['a', 'b', 'c']) void work(name, thread.work('loud'), 10)
  void work('q', thread.work('quiet'), 10)
  // The quiet one came when the loud one had had its first slice already.
  expect(await allTurns()).toEqual(['aaaaa', 'aaaaa', 'qqqqq', 'bbbbb', 'qqqqq', 'bbbbb', 'ccccc', 'ccccc', ''])
})

test('of one party, the piece that was opened first goes on first, also after it has waited for something else', async () => {
  const { thread, work, allTurns } = opened()
  const [first, second] = [thread.work('one'), thread.work('one')]
  void work('b', second, 10)
  void work('a', first, 10)
  expect(await allTurns()).toEqual(['bbbbb', 'aaaaa', 'aaaaa', 'bbbbb', ''])
})

test('a generator is taken step by step, and what it throws is thrown', async () => {
  const { thread, work, allTurns } = opened()
  const steps: number[] = []
  function* counting(): Generator<undefined, string> {
    for (let i = 0; i < 3; i++) {
      steps.push(i)
      yield
    }
    return 'all'
  }
  const [one, other] = [thread.work('one'), thread.work('other')]
  void work('a', other, 5)
  const counted = one.through(counting())
  expect(steps).toEqual([])
  await allTurns()
  expect(await counted).toBe('all')
  expect(steps).toEqual([0, 1, 2])

  function* failing(): Generator<undefined, void> {
    yield
    throw new Error('no')
  }
  await expect(one.through(failing())).rejects.toThrow('no')
})
