import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from '../../src/cli/run.ts'
import { built } from '../support/built.ts'
import { rollcall, rollcallJson } from '../support/cli.ts'
import { blocksOf, ROOT } from '../support/documents.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'
import { idIn, userBody } from '../support/instances.ts'
import { type ApplicationDatabase, openApplicationDatabase } from '../support/mirrors.ts'
import { findPostgres } from '../support/postgres-server.ts'

let gateway: Gateway
let application: ApplicationDatabase
let env: Record<string, string>
beforeAll(async () => {
  gateway = await openGateway()
  application = await openApplicationDatabase()
  const { origin, project, environment } = gateway
  const key = await gateway.mintKey({ permissions: ['directory:read'] })
  env = {
    ...{ ROLLCALL_URL: origin, ROLLCALL_APP_KEY: key, ROLLCALL_PROJECT: project, ROLLCALL_ENVIRONMENT: environment },
    MIRROR_DATABASE_URL: application.url,
  }
})
afterAll(async () => {
  await gateway.close()
  await application.close()
})

describe('rollcall mirror', () => {
  test('brings the mirror up to date, and says how it stands', async () => {
    const tenant = await gateway.newTenant()
    const ada = idIn(await tenant.scim('POST', '/Users', userBody('ada', { title: 'x' })))
    const { exitCode, err } = await rollcall(
      env,
      'mirror',
      '--once',
      '--outbox',
      '--column',
      'department',
      'level:number',
    )
    expect([exitCode, err]).toEqual([
      0,
      expect.stringMatching(
        /^rollcall: reading \d+ tenants: the mirror is new\nrollcall: all is read; following the events\n$/,
      ),
    ])
    expect(await application.sql`select id, department, level from rollcall.users`).toEqual([
      { id: ada, department: null, level: null },
    ])
    expect(await rollcallJson(env, 'mirror', 'status')).toMatchObject({
      ...{ source: `${gateway.project}/${gateway.environment}`, state: 'following', tenantsToRead: 0, trouble: null },
    })
    expect((await rollcall(env, 'mirror', 'status')).out).toMatch(/^state +following$/m)
  })

  test('goes on until it is stopped, and reports as lines of JSON', async () => {
    const stopped = new AbortController()
    let err = ''
    let said = () => {}
    const applied = new Promise<void>((resolve) => {
      said = resolve
    })
    const write = (text: string) => {
      err += text
      if (text.includes('"applied"')) said()
    }
    const options = ['mirror', '--schema', 'going', '--json']
    const running = run(options, { env, out: { write: () => {} }, err: { write }, signal: stopped.signal })
    await expect.poll(() => err).toContain('"following"')
    await gateway.scim('POST', '/Users', userBody('bob'))
    await applied
    stopped.abort()
    expect(await running).toBe(0)
    expect(await application.sql`select 1 as one from going.users where user_name = 'bob'`).toEqual([{ one: 1 }])
  })

  test('says in one line what is missing, refused or away', async () => {
    const said = async (changed: Record<string, string>, ...args: string[]) => {
      const { exitCode, err } = await rollcall({ ...env, ...changed }, 'mirror', ...args)
      return [exitCode, err]
    }
    expect(await said({ ROLLCALL_URL: '' })).toEqual([2, expect.stringContaining('set ROLLCALL_URL')])
    expect(await said({ ROLLCALL_APP_KEY: '' })).toEqual([2, expect.stringContaining('set ROLLCALL_APP_KEY')])
    expect(await said({ MIRROR_DATABASE_URL: '' })).toEqual([2, expect.stringContaining('set MIRROR_DATABASE_URL')])
    expect(await said({}, '--column', 'a:date')).toEqual([2, expect.stringContaining('a type is one of text')])
    expect(await said({}, '--deleted', 'maybe')).toEqual([2, expect.stringContaining('takes keep or delete')])
    expect(await said({ ROLLCALL_APP_KEY: 'rck_no' }, '--once')).toEqual([3, expect.stringMatching(/key/)])
    expect(await said({}, 'status', '--schema', 'none')).toEqual([
      3,
      expect.stringContaining('there is no mirror in the schema "none"'),
    ])
    expect(await said({ MIRROR_DATABASE_URL: 'postgres://127.0.0.1:1/none' }, 'status')).toEqual([
      4,
      expect.stringContaining('PostgreSQL at 127.0.0.1:1/none cannot be used'),
    ])
  })

  test('status ends with code 5 where no mirror is at work', async () => {
    await rollcall(env, 'mirror', '--once')
    await application.sql`update rollcall.state set seen_at = now() - interval '1 hour'`
    expect(await rollcall(env, 'mirror', 'status')).toMatchObject({
      exitCode: 5,
      err: expect.stringContaining('two minutes'),
    })
  })
})

// The page reads the mirror by `psql`, which is among the programs of the server.
const psql = findPostgres()?.bin
test.skipIf(psql === undefined)('the commands of docs/mirror.md run', async () => {
  const commands = blocksOf(readFileSync(join(ROOT, 'docs/mirror.md'), 'utf8'), 'sh follow').join('\n')
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-mirror-'))
  const own = await openApplicationDatabase()
  const script = `set -euo pipefail
rollcall() { node '${built.cli()}' --project ${gateway.project} --environment ${gateway.environment} "$@"; }
npx() { "$@"; }
${commands
  .replaceAll('http://localhost:8080', gateway.origin)
  .replaceAll('rck_…', gateway.adminKey)
  .replaceAll('postgres://app@localhost:5432/app', own.url)}`
  // The gateway answers in this process, so it is not waited for without giving way.
  const PATH = `${process.env.PATH}:${psql}`
  const out = await new Promise<string>((resolve, reject) => {
    execFile('bash', ['-c', script], { cwd: folder, env: { PATH, HOME: folder } }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(stdout + stderr)),
    )
  })
  rmSync(folder, { recursive: true })
  await own.close()
  expect(out).toMatch(/state +following/)
  expect(out).toMatch(/\n acme +\| acme/)
})
