import { expect, test } from 'vitest'
import { Overload } from '../../src/request-log/overload.ts'

/** An instance whose thread works so much of each tenth of a second, in which so many requests come. */
function instance() {
  let now = 0
  let utilization = 0
  const look = (before?: object) => ({ idle: 0, active: 0, utilization: before === undefined ? 0 : utilization })
  const overload = new Overload(() => now, look)
  return (requests: number, works: number, ms = 100): boolean => {
    for (let n = 0; n < requests; n++) overload.request()
    now += ms
    utilization = works
    return overload.is
  }
}

test('the provisioning log gives way where more requests come than the thread has time for', () => {
  const after = instance()
  expect(after(900, 1)).toBe(true)
  expect(after(900, 0.4)).toBe(false)
  expect(after(60, 0.9)).toBe(true)
})

test('at the rates of identity providers it never gives way, however busy the thread is', () => {
  const after = instance()
  expect(after(50, 1)).toBe(false)
  expect(after(1, 1)).toBe(false)
})

test('it is looked at once in a tenth of a second', () => {
  const after = instance()
  expect(after(900, 1, 99)).toBe(false)
  expect(after(0, 1, 1)).toBe(true)
  expect(after(0, 0, 99)).toBe(true)
  expect(after(0, 0, 1)).toBe(false)
})
