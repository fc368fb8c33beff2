import { execFileSync, execFile as runFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { built } from '../support/built.ts'
import { type Child, freePort, runNode } from '../support/children.ts'
import { ROOT } from '../support/documents.ts'
import { nodes } from '../support/nodes.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'
import { play, type Scenario, titleOf } from '../support/traffic.ts'

const ADMIN_KEY = 'the-key-of-the-operator-of-this-test'
const execFile = promisify(runFile)

const folder = join(ROOT, 'test/fixtures/idp-traffic')
const scenarios = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.json'))
  .sort()
  .map((file): Scenario => JSON.parse(readFileSync(join(folder, file), 'utf8')))

test('they are the oldest that package.json allows, and the ones that people run today', () => {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const majors = nodes().map(({ version }) => version.split('.')[0])
  expect(nodes()[0]?.version.startsWith(`${engines.node.replace('>=', '')}.`)).toBe(true)
  expect(majors).toEqual(['20', '22', '24', '26'])
  const image = /^ARG NODE_IMAGE=\S+\/node:(\d+)\./m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))?.[1]
  expect(majors).toContain(image)
  expect(readFileSync(join(ROOT, '.nvmrc'), 'utf8').trim()).toBe(image)
})

const isThere = (program: string | undefined): program is string => program !== undefined

describe.each(nodes())('Node $version', ({ version, program }) => {
  const without = isThere(program) ? '' : ' (skipped: npm run test:nodes brings this Node)'
  const engines = process.env.SKIP_POSTGRES === '1' ? ['embedded'] : ['embedded', 'PostgreSQL']

  describe.skipIf(!isThere(program)).each(engines)(`with the engine %s${without}`, (engine) => {
    let server: PostgresServer | undefined
    let gateway: Child
    let origin = ''
    const data = mkdtempSync(join(tmpdir(), 'rollcall-node-'))

    beforeAll(async () => {
      if (engine === 'PostgreSQL') server = await startPostgres()
      const port = await freePort()
      origin = `http://127.0.0.1:${port}`
      const env = {
        ...{ NODE_ENV: 'production', PUBLIC_URL: origin, TRUST_PROXY: 'none', DRAIN_DELAY_MS: '0', LOG_LEVEL: 'warn' },
        ...{ ADMIN_KEY, SECRETS_KEY: 'a-key-that-seals-what-is-secret-in-this-test', PORT: String(port) },
        ...{ DATA_DIR: data, DATABASE_URL: server?.url ?? '' },
      }
      gateway = runNode('gateway', ['--enable-source-maps', built.main()], env, program)
      await gateway.says('Rollcall is running')
    })
    afterAll(async () => {
      gateway.process.kill('SIGKILL')
      await gateway.ended()
      await server?.stop()
      rmSync(data, { recursive: true })
    })

    test('it is that version', () => {
      expect(execFileSync(program as string, ['--version'], { encoding: 'utf8' })).toBe(`v${version}\n`)
    })

    test.each(scenarios.map((scenario) => [titleOf(scenario), scenario] as const))('plays %s', async (_, scenario) => {
      const place = `${origin}/api/v1/projects/default/environments/dev`
      const at = { place, adminKey: ADMIN_KEY }
      expect(await play(scenario, `${origin}/scim/v2/default/dev`, ADMIN_KEY, at)).toEqual([])
    })

    test('the command line makes a tenant', async () => {
      const env = { ...process.env, ROLLCALL_URL: origin, ROLLCALL_ADMIN_KEY: ADMIN_KEY }
      const { stdout, stderr } = await execFile(program as string, [built.cli(), 'tenant', 'create', 'acme'], { env })
      expect(stdout).toContain('acme')
      expect(stderr).toBe('')
    })

    test('the console shows it', async () => {
      const page = await fetch(`${origin}/console`)
      expect(page.status).toBe(200)
      expect(await page.text()).toContain('API key')
    })

    test('logs no error and no warning of Node, and ends when it is told to', async () => {
      gateway.process.kill('SIGTERM')
      expect(await gateway.ended()).toBe(0)
      expect(gateway.stderr()).toBe('')
    })
  })

  test.skipIf(!isThere(program))(`builds the programs${without}`, () => {
    const target = mkdtempSync(join(tmpdir(), 'rollcall-node-'))
    execFileSync(program as string, ['--import', 'tsx', join(ROOT, 'build.ts'), target], { cwd: ROOT })
    expect(existsSync(join(target, 'main.js'))).toBe(true)
    rmSync(target, { recursive: true })
  })
})
