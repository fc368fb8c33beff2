import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Booted, boot, whyNotBooted } from '../support/booted.ts'
import { blocksOf, ROOT } from '../support/documents.ts'

const why = whyNotBooted()
const without = why === undefined ? '' : ` (skipped: ${why})`
/** The page's blocks of commands, from the one that writes the settings to the one that asks whether the gateway is ready. */
const [, settings = '', start = ''] = blocksOf(readFileSync(join(ROOT, 'docs/deploy/systemd.md'), 'utf8'), 'sh')
const READY = /curl --retry .*$/m.exec(start)?.[0] ?? ''
const AS_OPERATOR = `. /etc/rollcall/rollcall.env
api() { curl -sS --fail -H "Authorization: Bearer $ADMIN_KEY" -H 'Content-Type: application/json' "$@"; }
tenants=http://127.0.0.1:8080/api/v1/projects/default/environments/dev/tenants
`

test('the page has these commands', () => {
  expect(settings).toContain('/etc/rollcall/rollcall.env')
  expect(start).toContain('systemctl enable --now rollcall')
  expect(READY).toContain('/readyz')
})

// It takes root and systemd-nspawn. Where one is missing, the title says which.
describe.skipIf(why !== undefined)(`on a machine that systemd has booted${without}`, () => {
  let machine: Booted
  const shown = (property: string) => machine.run(`systemctl show --value --property=${property} rollcall`).trim()
  beforeAll(async () => {
    machine = boot()
    await vi.waitFor(() => expect(machine.run('systemctl is-system-running || true')).toMatch(/running|degraded/), {
      timeout: 60_000,
      interval: 200,
    })
    machine.run(`sudo() { "$@"; }\n${settings}${start}`)
  })
  afterAll(() => machine.halt())

  test('the commands of the page start the service, which may do nothing but serve', () => {
    expect(shown('ActiveState')).toBe('active')
    const status = machine.run(`cat /proc/${shown('MainPID')}/status`)
    expect(status).toMatch(/^CapEff:\t0{16}$/m)
    expect(status).toMatch(/^NoNewPrivs:\t1$/m)
    expect(status).toMatch(/^Seccomp:\t2$/m)
    expect(status).not.toMatch(/^Uid:\t0\b/m)
    expect(machine.run('stat -c "%a %U" /var/lib/private/rollcall')).toBe('700 rollcall\n')
    expect(machine.run('journalctl --unit=rollcall')).toContain('Rollcall is running')
    expect(machine.run('systemd-analyze security rollcall --no-pager')).toContain('Overall exposure level')
  })

  test('systemd starts it again when it is killed, and what it has acknowledged is there', async () => {
    machine.run(`${AS_OPERATOR}api $tenants -d '{"key": "kept"}'`)
    const before = shown('MainPID')
    machine.run(`kill -9 ${before}`)
    await expect.poll(() => shown('NRestarts')).toBe('1')
    machine.run(READY)
    expect(shown('MainPID')).not.toBe(before)
    expect(machine.run(`${AS_OPERATOR}api $tenants/kept`)).toContain('"key":"kept"')
  })

  test('a stop drains: the check turns it away first, requests go on, and it ends by itself', () => {
    const seen = machine.run(`${AS_OPERATOR}systemctl stop --no-block rollcall
      until test "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/readyz)" = 503; do :; done
      api $tenants/kept
      while systemctl is-active --quiet rollcall || test "$(systemctl show --value -p ActiveState rollcall)" = deactivating
      do sleep 0.2; done`)
    expect(seen).toContain('"key":"kept"')
    expect([shown('Result'), shown('ExecMainStatus'), shown('ActiveState')]).toEqual(['success', '0', 'inactive'])
  })
})
