import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadServingConfig } from '../../src/config/production.ts'
import { DEFAULTS } from '../../src/config.ts'
import { built } from '../support/built.ts'
import { type Child, freePort, runNode } from '../support/children.ts'
import { ROOT } from '../support/documents.ts'
import { type Fly, fly } from '../support/fly.ts'
import { image } from '../support/image.ts'
import { startPostgres } from '../support/postgres-server.ts'

const [two, one] = [fly('fly.toml'), fly('fly.embedded.toml')]
const SECRETS = {
  ADMIN_KEY: 'the-key-of-the-operator-of-this-test',
  SECRETS_KEY: 'a-key-that-seals-what-is-secret-in-this-test',
}

/** Runs what a machine would run, on a port of its own. */
async function startMachine({ env }: Fly, more: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-machine-'))
  const port = await freePort()
  const own = { HOST: '127.0.0.1', PORT: String(port), DATA_DIR: folder, LOG_LEVEL: 'warn', ...more }
  const [, ...args] = image.command
  const command = args.map((arg) => (arg === 'dist/main.js' ? built.main() : arg))
  const gateway: Child = runNode('the machine', command, { ...image.env, ...env, ...SECRETS, ...own })
  onTestFinished(async () => {
    gateway.process.kill('SIGKILL')
    await gateway.ended()
    rmSync(folder, { recursive: true })
  })
  await gateway.says('Rollcall is running')
  const check = (): Promise<number> =>
    fetch(`http://127.0.0.1:${port}${two.http_service.checks[0]?.path}`).then(
      ({ status }) => status,
      () => 0,
    )
  return { gateway, check, origin: `http://127.0.0.1:${port}` }
}

describe.each([
  ['fly.toml', two],
  ['fly.embedded.toml', one],
] as const)('%s', (name, config) => {
  const { env, http_service: service } = config

  test('its variables start a gateway in production, and each of them is one', () => {
    expect(Object.keys(env).filter((variable) => !(variable in DEFAULTS))).toEqual([])
    const { production, host, port, trustProxy } = loadServingConfig({ ...image.env, ...env, ...SECRETS })
    expect({ production, port, trustProxy }).toEqual({
      ...{ production: true, port: service.internal_port },
      trustProxy: { kind: 'header', name: 'fly-client-ip' },
    })
    // By IPv6 other apps of the organization would reach it, and could name any client.
    expect(host).toBe('0.0.0.0')
  })

  test('Fly waits longer for a stop than the gateway takes', () => {
    expect(config.kill_signal).toBe('SIGTERM')
    // The gateway ends within 29 seconds of the signal: src/start.ts.
    expect(config.kill_timeout).toBeGreaterThan(29)
  })

  test('its one check is whether the gateway is ready, and waits as long as that may take', () => {
    expect(service.checks.map(({ path }) => path)).toEqual(['/readyz'])
    expect(Number.parseInt(service.checks[0]?.timeout ?? '', 10)).toBeGreaterThan(5)
  })

  test('the proxy turns elsewhere before the gateway refuses, and machines are on when nobody asks', () => {
    const { maxInFlight } = loadServingConfig({ ...image.env, ...env, ...SECRETS })
    expect(service.concurrency.type).toBe('requests')
    expect(service.concurrency.hard_limit).toBeLessThan(maxInFlight)
    expect(service.auto_stop_machines).toBe('off')
    expect(service.force_https).toBe(true)
  })

  test('its machines have 1 GB', () => {
    expect(config.vm.map(({ memory }) => memory)).toEqual(['1gb'])
  })

  test('its page names it', () => {
    expect(readFileSync(join(ROOT, 'docs/deploy/fly.md'), 'utf8')).toContain(`](../../${name})`)
  })
})

test('on PostgreSQL two machines serve, one is replaced after the other, and none has a volume', () => {
  expect(two.http_service.min_machines_running).toBe(2)
  expect(two.deploy).toMatchObject({ strategy: 'rolling', max_unavailable: 1 })
  expect(two.mounts).toBeUndefined()
  // A check comes, and a second one, before the gateway closes its port.
  const every = Number.parseInt(two.http_service.checks[0]?.interval ?? '', 10)
  const { drainDelayMs } = loadServingConfig({ ...image.env, ...two.env, ...SECRETS })
  expect(2 * every * 1_000).toBeLessThan(drainDelayMs)
})

test('the embedded database is on the volume, on one machine, and nothing migrates elsewhere', () => {
  const [mount] = one.mounts ?? []
  expect(loadServingConfig({ ...image.env, ...one.env, ...SECRETS }).dataDir).toBe(`${mount?.destination}/rollcall`)
  expect(one.http_service.min_machines_running).toBe(1)
  expect(one.deploy).toEqual({ strategy: 'rolling' })
  expect(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')).toContain('ARG RUN_AS=')
  expect(one.build?.args).toEqual({ RUN_AS: '0:0' })
})

test('the machine with the embedded database starts on an empty volume', async () => {
  const { check, gateway } = await startMachine(one, { DATABASE_URL: '' })
  await expect.poll(check).toBe(200)
  gateway.process.kill('SIGTERM')
  expect(await gateway.ended()).toBe(0)
})

// It starts a PostgreSQL of its own, which SKIP_POSTGRES leaves out.
test.skipIf(process.env.SKIP_POSTGRES === '1')(
  'a release migrates, then both machines serve, know the client, and stop one after the other',
  async () => {
    const server = await startPostgres()
    onTestFinished(() => server.stop())
    const database = { DATABASE_URL: server.url }
    const [, script = '', ...verb] = String(two.deploy.release_command).split(' ')
    const program = join(dirname(dirname(built.main())), script)
    const env = { ...process.env, ...image.env, ...two.env, ...SECRETS, ...database }
    const released = spawnSync(process.execPath, [program, ...verb], { env, encoding: 'utf8' })
    expect(released.status, released.stderr).toBe(0)

    const machines = [await startMachine(two, database), await startMachine(two, database)]
    for (const { check } of machines) await expect.poll(check).toBe(200)
    const headers = {
      ...{ Authorization: `Bearer ${SECRETS.ADMIN_KEY}`, 'Content-Type': 'application/json' },
      ...{ 'Fly-Client-IP': '203.0.113.9', 'X-Forwarded-For': '198.51.100.1, 66.241.124.1' },
    }
    const place = `${machines[0]?.origin}/api/v1/projects/default/environments/dev`
    const made = await fetch(`${place}/tenants`, { method: 'POST', headers, body: '{"key": "acme"}' })
    expect(made.status).toBe(201)
    const log = await fetch(`${machines[1]?.origin}/api/v1/projects/default/environments/dev/audit-log?limit=1`, {
      headers,
    })
    expect(await log.json()).toMatchObject({ items: [{ action: 'tenant.created', address: '203.0.113.9' }] })

    const [first, second] = machines
    first?.gateway.process.kill('SIGTERM')
    await expect.poll(() => first?.check(), { interval: 20 }).toBe(503)
    expect(await second?.check()).toBe(200)
    expect(await first?.gateway.ended()).toBe(0)
  },
)
