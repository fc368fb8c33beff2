import { describe, expect, test } from 'vitest'
import { HostBudgets } from '../../src/delivery/sending/host-budgets.ts'

describe('EV-16 what one host is sent', () => {
  test('all endpoints of a host share what may be under way; other hosts, and other ports, have their own', () => {
    const hosts = new HostBudgets({ atOnce: 2, perSecond: 100 }, () => 0)
    expect(hosts.take('https://hooks.example.com/a', 1)).toBe(1)
    expect(hosts.take('https://HOOKS.example.com/b', 32)).toBe(1)
    expect(hosts.take('https://hooks.example.com/c', 32)).toBe(0)
    expect(hosts.take('https://other.example.com/', 32)).toBe(2)
    expect(hosts.take('https://hooks.example.com:80/', 32)).toBe(2)
    hosts.over('https://hooks.example.com/a')
    expect(hosts.take('https://hooks.example.com/c', 32)).toBe(1)
  })

  test('what may begin in a second is used up by what was begun, not by room that was given back, and comes with time', () => {
    let now = 0
    const hosts = new HostBudgets({ atOnce: 50, perSecond: 10 }, () => now)
    const url = 'https://hooks.example.com/'
    expect(hosts.take(url, 32)).toBe(10)
    hosts.giveBack(url, 4)
    for (let sent = 0; sent < 6; sent++) hosts.over(url)
    expect(hosts.take(url, 32)).toBe(4)
    now = 250
    expect(hosts.take(url, 32)).toBe(2)
    now = 60_000
    expect(hosts.take(url, 32)).toBe(10)
  })

  test('hosts that are idle are forgotten, and those that are not keep their count', () => {
    let now = 0
    const hosts = new HostBudgets({ atOnce: 3, perSecond: 3 }, () => now)
    hosts.take('https://busy.example.com/', 2)
    for (let host = 0; host < 3_000; host++) {
      hosts.take(`https://h${host}.example.com/`, 1)
      hosts.over(`https://h${host}.example.com/`)
      now += 5
    }
    expect(hosts.take('https://busy.example.com/', 32)).toBe(1)
    expect(hosts.size).toBeLessThan(1_500)
  })
})
