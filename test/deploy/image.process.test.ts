import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { loadServingConfig } from '../../src/config/production.ts'
import { DEFAULTS } from '../../src/config.ts'
import { type Child, freePort } from '../support/children.ts'
import { type Account, type Confined, confined, whyNotConfined } from '../support/confined.ts'
import { ROOT } from '../support/documents.ts'
import { image } from '../support/image.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'

const why = whyNotConfined()
const without = why === undefined ? '' : ` (skipped: ${why})`
const DOCKERFILE = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
/** The data folder as the image makes it. */
const DATA = {
  uid: 1000,
  gid: 0,
  mode: /^RUN mkdir -m (\d+) \/data && chown node:root \/data$/m.exec(DOCKERFILE)?.[1] ?? '',
}

const accounts: readonly (readonly [string, Account])[] = [
  ["the image's own account", { uid: 1000, gid: 0, data: DATA }],
  ['an account that the platform chooses, in the group root', { uid: 1_000_650_000, gid: 0, data: DATA }],
]

describe('the image', () => {
  test('has a base that is fixed by its digest, in both of its stages', () => {
    expect(image.bases[0]).toMatch(/^docker\.io\/library\/node:\d+\.\d+\.\d+-bookworm-slim@sha256:[0-9a-f]{64}$/)
    expect(image.bases.slice(1).join(' ')).toMatch(/^\$\{NODE_IMAGE\} \$\{NODE_IMAGE\}$/)
  })

  test('has everything that the build makes and the programs read', () => {
    const copied = [...DOCKERFILE.matchAll(/^COPY --from=build \/app\/(\S+)/gm)].map(([, name]) => name)
    expect(copied).toEqual(['package.json', 'node_modules', 'drizzle', 'dist'])
    expect(DOCKERFILE).toMatch(/^COPY docs\/idp docs\/idp$/m)
    expect(readFileSync(join(ROOT, '.dockerignore'), 'utf8')).toMatch(/^!docs\/idp$/m)
  })
})

test("the page's container has what production needs, and may write to its volume and memory alone", () => {
  const [command = ''] =
    /^docker run -d[\s\S]*? rollcall$/m.exec(readFileSync(join(ROOT, 'docs/deploy/container.md'), 'utf8')) ?? []
  const pairs = [...command.matchAll(/-e (\w+)=(\S+)/g)].map(([, name, value]) => [name, value])
  const env = { ...image.env, ...Object.fromEntries(pairs), SECRETS_KEY: 'x'.repeat(44) }
  expect(pairs.filter(([name = '']) => !(name in DEFAULTS))).toEqual([])
  expect(loadServingConfig(env)).toMatchObject({ production: true, host: '0.0.0.0', dataDir: '/data', drainDelayMs: 0 })
  for (const option of ['--read-only', '--tmpfs /tmp', '--cap-drop ALL', '-v rollcall:/data', '-p 127.0.0.1:8080:8080'])
    expect(command).toContain(option)
})

describe.skipIf(why !== undefined)(`the image with a root file system that is read only${without}`, () => {
  let place: Confined
  beforeAll(() => {
    place = confined()
  })
  afterAll(() => place.remove())

  async function started(
    account: Account,
    env: Readonly<Record<string, string>>,
  ): Promise<{ readonly gateway: Child; readonly origin: string }> {
    const port = String(await freePort())
    const [, ...args] = image.command
    const own = { HOST: '127.0.0.1', PORT: port, LOG_LEVEL: 'warn', DRAIN_DELAY_MS: '0' }
    const needed = { PUBLIC_URL: 'https://scim.example.com', TRUST_PROXY: '1', SECRETS_KEY: 'x'.repeat(32) }
    const gateway = place.run(args, account, { ...image.env, ...needed, DATA_DIR: place.data, ...own, ...env })
    onTestFinished(async () => {
      gateway.process.kill('SIGKILL')
      await gateway.ended()
    })
    await gateway.says('Rollcall is running')
    return { gateway, origin: `http://127.0.0.1:${port}` }
  }

  test.each(accounts)('can be written nowhere but to the data and temporary folders: %s', (_, account) => {
    const { status, output } = place.shell(
      `id -u; touch '${place.data}/a' '${place.temporary}/b' && ! touch dist/c && ! touch /var/tmp/d`,
      account,
    )
    expect(status, output).toBe(0)
    expect(output).toContain(String(account.uid))
  })

  test.each(accounts)('starts, stores and stops on the embedded database: %s', async (_, account) => {
    const { gateway, origin } = await started(account, {})
    expect(gateway.stdout()).toContain(join(place.data, 'rollcall-first-keys'))
    await expect.poll(async () => (await fetch(`${origin}/readyz`)).status).toBe(200)
    gateway.process.kill('SIGTERM')
    expect(await gateway.ended()).toBe(0)
    expect(gateway.stderr()).toBe('')
  })

  // It starts a PostgreSQL of its own, which SKIP_POSTGRES leaves out.
  describe.skipIf(process.env.SKIP_POSTGRES === '1')('on PostgreSQL', () => {
    let server: PostgresServer
    beforeAll(async () => {
      server = await startPostgres()
    })
    afterAll(() => server.stop())

    test.each(accounts)('starts and stops: %s', async (_, account) => {
      const { gateway, origin } = await started(account, { DATABASE_URL: server.url, DATA_DIR: place.temporary })
      await expect.poll(async () => (await fetch(`${origin}/readyz`)).status).toBe(200)
      gateway.process.kill('SIGTERM')
      expect(await gateway.ended()).toBe(0)
      expect(gateway.stderr()).toBe('')
    })
  })
})
