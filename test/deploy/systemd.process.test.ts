import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadServingConfig } from '../../src/config/production.ts'
import { freePort } from '../support/children.ts'
import { confined, whyNotConfined } from '../support/confined.ts'
import { blocksOf, ROOT } from '../support/documents.ts'
import { findTool } from '../support/tools.ts'
import { UNIT_FILE, unit } from '../support/unit.ts'

const PAGE = readFileSync(join(ROOT, 'docs/deploy/systemd.md'), 'utf8')
const analyze = findTool('systemd-analyze')
const unanalyzed = analyze === undefined ? ' (skipped: there is no systemd-analyze)' : ''
const unconfined = whyNotConfined()

/** How much systemd finds exposed at most, of 100; a service without any settings has 96. */
const MOST_EXPOSED = 20

/** A copy of the unit whose program is one that this machine has. */
function copied(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-unit-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, basename(UNIT_FILE))
  writeFileSync(file, readFileSync(UNIT_FILE, 'utf8').replaceAll('/usr/bin/node', process.execPath))
  return file
}

/** The variables that the page has in its file of settings; commands in their values are run. */
function settingsOfThePage(): Record<string, string> {
  const [, text = ''] = /<<END\n([\s\S]*?)END\n/.exec(blocksOf(PAGE, 'sh').join('\n')) ?? []
  const filled = execFileSync('bash', ['-euc', `cat <<END\n${text}END`], { encoding: 'utf8' })
  return Object.fromEntries([...filled.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]))
}

/** What the unit itself gives to the program. */
const ownVariables = (): Record<string, string> =>
  Object.fromEntries((unit().Environment ?? []).map((pair) => pair.replace('%S', '/var/lib').split('=')))

describe('the unit of systemd', () => {
  test.skipIf(analyze === undefined)(`has no fault that systemd finds${unanalyzed}`, () => {
    const { status, stderr } = spawnSync(analyze ?? '', ['verify', copied()], { encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(status).toBe(0)
  })

  test.skipIf(analyze === undefined)(`leaves little exposed${unanalyzed}`, () => {
    const options = ['--offline=true', '--no-pager', `--threshold=${MOST_EXPOSED}`]
    const { status, stdout, stderr } = spawnSync(analyze ?? '', ['security', ...options, copied()], {
      encoding: 'utf8',
    })
    expect(status, stdout + stderr).toBe(0)
  })

  test('waits longer for a stop than the gateway takes, and starts it again after every fault', () => {
    const { TimeoutStopSec, KillSignal, Restart, StartLimitIntervalSec } = unit()
    // The gateway ends within 29 seconds of the signal: src/start.ts.
    expect(Number(TimeoutStopSec?.[0])).toBeGreaterThan(29)
    expect([KillSignal, Restart, StartLimitIntervalSec]).toEqual([['SIGTERM'], ['always'], ['0']])
  })

  test('runs the program that the page installs, with the settings that the page writes', () => {
    const [prefix = ''] = /--prefix (\S+)/.exec(PAGE)?.slice(1) ?? []
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    expect(unit().ExecStart).toEqual([
      `/usr/bin/node --enable-source-maps ${prefix}/node_modules/rollcall/dist/main.js`,
    ])
    expect(PAGE).toContain(`./rollcall-${version}.tgz`)
    expect(PAGE).toContain(`sudo tee ${unit().EnvironmentFile?.[0]} `)
    const config = loadServingConfig({ ...ownVariables(), ...settingsOfThePage() })
    expect(config).toMatchObject({ production: true, host: '127.0.0.1', dataDir: '/var/lib/rollcall' })
    expect(unit().StateDirectory).toEqual(['rollcall'])
  })

  const without = unconfined === undefined ? '' : ` (skipped: ${unconfined})`
  test.skipIf(unconfined !== undefined)(
    `its command starts, stores and stops under an account that can write to two folders alone${without}`,
    async () => {
      const place = confined()
      onTestFinished(() => place.remove())
      // One of those that systemd gives while a service runs.
      const account = { uid: 61_184, gid: 61_184, data: { uid: 61_184, gid: 61_184, mode: '0700' } }
      const port = String(await freePort())
      const settings = settingsOfThePage()
      const env = { ...ownVariables(), ...settings, DATA_DIR: place.data, PORT: port, LOG_LEVEL: 'warn' }
      const [, ...args] = (unit().ExecStart?.[0] ?? '').replace(/\S+\/rollcall\/dist/, 'dist').split(' ')
      const gateway = place.run(args, account, { ...env, DRAIN_DELAY_MS: '0' })
      onTestFinished(async () => {
        gateway.process.kill('SIGKILL')
        await gateway.ended()
      })
      await gateway.says('Rollcall is running')
      const check = /curl --retry .*$/m.exec(PAGE)?.[0].replace(':8080', `:${port}`) ?? ''
      execFileSync('bash', ['-euc', check], { stdio: 'pipe' })
      const key = { Authorization: `Bearer ${settings.ADMIN_KEY}` }
      expect((await fetch(`http://127.0.0.1:${port}/api/v1/projects`, { headers: key })).status).toBe(200)
      gateway.process.kill('SIGTERM')
      expect(await gateway.ended()).toBe(0)
    },
  )
})
