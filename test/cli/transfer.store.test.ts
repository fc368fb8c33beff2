import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { bootstrap } from '../../src/administration/bootstrap.ts'
import { EXIT } from '../../src/cli/failure.ts'
import { progressOn } from '../../src/cli/progress.ts'
import { loadConfig } from '../../src/config.ts'
import { openDatabase } from '../../src/db/open.ts'
import { built } from '../support/built.ts'
import { runNode } from '../support/children.ts'
import { rollcall, rollcallJson } from '../support/cli.ts'
import { directory, hashesIn, idOf, writeExport } from '../support/directories.ts'
import { ownStore } from '../support/engines.ts'
import { type Gateway, openGateway, type TestTenant } from '../support/gateway.ts'

/** TRANSFER_USERS=100000 for the size that the promise is about. */
const USERS = Number(process.env.TRANSFER_USERS ?? 2_000)
const MOST_MEMORY_MB = 300
// Not `maxRSS`, which on Linux begins with what the parent held when it started the process.
const TELL_PEAK = `import { readFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
if (isMainThread) process.once('exit', () => {
  const status = process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : ''
  const peakKb = /VmHWM:\\s+(\\d+)/.exec(status)?.[1] ?? process.resourceUsage().maxRSS
  process.stderr.write('peak ' + Math.round(Number(peakKb) / 1024) + ' MB\\n')
})`

let gateway: Gateway
let folder: string
let env: Record<string, string>
beforeAll(async () => {
  gateway = await openGateway()
  folder = mkdtempSync(join(tmpdir(), 'rollcall-transfer-'))
  const names = { ROLLCALL_PROJECT: gateway.project, ROLLCALL_ENVIRONMENT: gateway.environment }
  env = { ...names, ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey }
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await gateway.close()
})
let files = 0
const newFile = () => join(folder, `${++files}.ndjson`)

describe('straight on the database, in a process of its own', () => {
  let store: Awaited<ReturnType<typeof ownStore>>
  let withPeak: string
  beforeAll(async () => {
    store = await ownStore()
    withPeak = join(folder, 'with-peak.mjs')
    writeFileSync(withPeak, TELL_PEAK)
    const database = await openDatabase(loadConfig(store.env), () => {})
    await bootstrap(database, {})
    await database.close()
    for (const key of ['from', 'to']) await rollcallJson(store.env, 'tenant', 'create', key)
  })
  afterAll(() => store.remove())

  const memory: string[] = []
  const measured = async (...args: string[]) => {
    const child = runNode('rollcall', ['--import', withPeak, built.cli(), ...args, '--json'], store.env)
    expect([await child.ended(), child.stderr()]).toEqual([0, expect.stringMatching(/^peak \d+ MB\n$/)])
    const peak = Number(/\d+/.exec(child.stderr())?.[0])
    memory.push(`${args[0]} ${peak} MB`)
    expect(peak, args.join(' ')).toBeLessThan(MOST_MEMORY_MB)
    return JSON.parse(child.stdout())
  }

  test(
    `an export of ${USERS} users and its import into an empty tenant give equal directories, below ${MOST_MEMORY_MB} MB`,
    async () => {
      const [made, first, second] = [newFile(), newFile(), newFile()]
      writeExport(made, directory(USERS))
      const groups = Math.ceil(USERS / 100)
      const records = USERS + groups + USERS + groups - 1
      await measured('import', 'from', made)
      expect(await measured('export', 'from', first)).toMatchObject({ records })
      expect(await measured('import', 'to', first)).toEqual({
        ...{ tenant: 'to', file: first, records },
        ...{ created: USERS + groups, changed: 0, unchanged: 0, members: USERS + groups - 1 },
      })
      await measured('export', 'to', second)
      const hashes = await hashesIn(first)
      expect(hashes.size).toBe(records)
      expect(await hashesIn(second)).toEqual(hashes)
      if (USERS > 2_000) console.log(memory.join(', '))
    },
    60_000 + USERS * 10,
  )
})

describe('over the admin API', () => {
  let tenant: TestTenant
  let file: string
  beforeEach(async () => {
    tenant = await gateway.newTenant()
    file = newFile()
  })

  test('what clients made arrives with everything that they can see, and taking it twice changes nothing', async () => {
    const person = (userName: string, more: object = {}) =>
      tenant.scim('POST', '/Users', { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName, ...more })
    const ada = (await person('ada', { active: false, password: 'a password', externalId: '1' })).body as { id: string }
    const bob = (await person('bob', { emails: [{ value: 'bob@x.example' }] })).body as { id: string }
    await tenant.scim('POST', '/Groups', {
      ...{ schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'], displayName: 'Crew' },
      members: [{ value: ada.id, display: 'Countess' }, { value: bob.id }],
    })
    const other = await gateway.newTenant()
    await rollcallJson(env, 'export', tenant.name, file)
    expect(readFileSync(file, 'utf8')).not.toMatch(/scrypt|a password/)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(await rollcallJson(env, 'import', other.name, file)).toMatchObject({ created: 3, members: 2 })
    expect(await rollcallJson(env, 'import', other.name, file)).toMatchObject({ created: 0, changed: 0, unchanged: 3 })

    const seen = async ({ scim, base }: TestTenant, path: string) => {
      const { Resources = [] } = (await scim('GET', path)).body as { Resources?: { meta?: unknown }[] }
      return JSON.parse(JSON.stringify(Resources.map(({ meta, ...rest }) => rest)).replaceAll(base, ''))
    }
    for (const path of [
      '/Users',
      '/Groups',
      '/Users?filter=emails.value eq "bob@x.example"',
      '/Users?filter=externalId eq "1"',
    ])
      expect(await seen(other, path), path).toEqual(await seen(tenant, path))
    expect(await seen(other, '/Groups')).toHaveLength(1)
  })

  test('what has changed since is brought back, and what is new stays', async () => {
    writeExport(file, directory(3))
    await rollcallJson(env, 'import', tenant.name, file)
    const patch = { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'] }
    await tenant.scim('PATCH', `/Users/${idOf(1, 'user')}`, {
      ...patch,
      Operations: [{ op: 'replace', path: 'displayName', value: 'changed' }],
    })
    await tenant.scim('POST', '/Users', { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: 'new' })
    expect(await rollcallJson(env, 'import', tenant.name, file)).toMatchObject({ created: 0, changed: 1, unchanged: 3 })
    const { totalResults } = (await tenant.scim('GET', '/Users')).body as { totalResults: number }
    expect(totalResults).toBe(4)
  })

  test('members that are not known here go where references are deferred, and are refused elsewhere', async () => {
    await gateway.setSettings(tenant, { deferReferenceChecks: true })
    const records = [...directory(1), { kind: 'deferred' as const, group: idOf(0, 'group'), member: 'CN=some:one' }]
    writeExport(file, records)
    await rollcallJson(env, 'import', tenant.name, file)
    const [again, copied] = [newFile(), newFile()]
    await rollcallJson(env, 'export', tenant.name, again)
    const likewise = await gateway.newTenant({ settings: { deferReferenceChecks: true } })
    await rollcallJson(env, 'import', likewise.name, again)
    await rollcallJson(env, 'export', likewise.name, copied)
    expect(readFileSync(again, 'utf8')).toContain('{"kind":"deferred"')
    expect(await hashesIn(copied)).toEqual(await hashesIn(again))
    const strict = await gateway.newTenant()
    const refused = await rollcall(env, 'import', strict.name, again)
    expect(refused).toMatchObject({
      exitCode: EXIT.refused,
      err: expect.stringMatching(
        /^rollcall: .*line 5 the tenant has no "CN=some:one", a member of .* continue with --from-line 2\n$/,
      ),
    })
  })

  test.each<[string, (text: string) => string]>([
    ['in the middle of a line', (text) => text.slice(0, text.length * 0.6)],
    ['among the members', (text) => text.slice(0, text.lastIndexOf('\n', text.length - 40) + 1)],
    ['after the first line', (text) => text.slice(0, text.indexOf('\n') + 1)],
    ['before its end', (text) => text.slice(0, text.lastIndexOf('{'))],
  ])('an export that was interrupted %s is continued', async (_, cut) => {
    const source = newFile()
    writeExport(source, directory(700))
    await rollcallJson(env, 'import', tenant.name, source)
    await rollcallJson(env, 'export', tenant.name, file)
    const whole = readFileSync(file, 'utf8')
    truncateSync(file, Buffer.byteLength(cut(whole)))
    expect(await rollcallJson(env, 'export', tenant.name, file)).toMatchObject({ resumed: true })
    expect(readFileSync(file, 'utf8')).toBe(whole)
  })

  test('an import of a part takes it and says where to go on', async () => {
    writeExport(file, directory(700))
    const whole = readFileSync(file, 'utf8')
    const lines = whole.split('\n').length - 1
    const part = newFile()
    writeFileSync(part, whole.split('\n').slice(0, 601).join('\n'))
    const broken = await rollcall(env, 'import', tenant.name, part)
    expect(broken).toMatchObject({ exitCode: EXIT.failed, err: expect.stringContaining('import from line 601\n') })
    const rest = await rollcallJson(env, 'import', tenant.name, file, '--from-line', '601')
    expect(rest).toMatchObject({ records: lines - 2, created: 700 + 7 - 599, unchanged: 0 })
  })

  test('what is there and no unfinished export of this tenant is never written over', async () => {
    const holds = (text: string) => writeFileSync(file, text)
    const refused = async (words: string) => {
      const text = readFileSync(file, 'utf8')
      const ran = await rollcall(env, 'export', tenant.name, file)
      expect(ran).toMatchObject({ exitCode: EXIT.usage, err: expect.stringContaining(words) })
      expect(readFileSync(file, 'utf8')).toBe(text)
    }
    holds('a letter')
    await refused('no export to continue')
    holds('a letter\n')
    await refused('is no export of a tenant: it has no JSON in line 1')
    holds('{"kind":"start","format":1,"tenant":"other"}\n')
    await refused('of another tenant')
    writeExport(file, directory(1), tenant.id)
    await refused('a whole export already')
    holds('{"kind":"start","format":2,"tenant":"other"}\n')
    await refused('of another format than 1')
  })

  test.runIf(existsSync('/dev/shm'))(
    'a regular file below /dev is continued, and not written over, like any other',
    async () => {
      const below = mkdtempSync('/dev/shm/rollcall-transfer-')
      onTestFinished(() => rmSync(below, { recursive: true }))
      const inMemory = join(below, 'export.ndjson')
      writeExport(file, directory(3))
      await rollcallJson(env, 'import', tenant.name, file)
      expect(await rollcallJson(env, 'export', tenant.name, inMemory)).toMatchObject({ resumed: false })
      const whole = readFileSync(inMemory, 'utf8')
      const again = await rollcall(env, 'export', tenant.name, inMemory)
      expect(again).toMatchObject({ exitCode: EXIT.usage, err: expect.stringContaining('a whole export already') })
      expect(readFileSync(inMemory, 'utf8')).toBe(whole)
      truncateSync(inMemory, whole.lastIndexOf('{'))
      expect(await rollcallJson(env, 'export', tenant.name, inMemory)).toMatchObject({ resumed: true })
      expect(readFileSync(inMemory, 'utf8')).toBe(whole)
    },
  )

  test('an export to standard output that goes to a file follows what stands there, with nothing behind it', async () => {
    writeFileSync(file, 'a letter\n')
    const output = openSync(file, 'a')
    const names = ['/dev/stdout', '/dev/fd/1']
    for (const name of names) {
      const child = spawn(process.execPath, [built.cli(), 'export', tenant.name, name], {
        stdio: ['ignore', output, 'ignore'],
        env: { ...process.env, ...env },
      })
      expect(await once(child, 'close')).toEqual([0, null])
    }
    closeSync(output)
    const kinds = readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => /"kind":"(\w+)"/.exec(line)?.[1] ?? line)
    expect(kinds).toEqual(['a letter', ...names.flatMap(() => ['start', 'end']), ''])
  })

  test('an export to standard output has the records there and nothing else', async () => {
    expect(await rollcall(env, 'export', tenant.name, '/dev/null', '--json')).toEqual({ exitCode: 0, out: '', err: '' })
  })

  test('a file that is not there, a tenant that is not there', async () => {
    const missing = await rollcall(env, 'import', tenant.name, join(folder, 'none'))
    expect(missing).toMatchObject({
      exitCode: EXIT.usage,
      err: expect.stringMatching(/^rollcall: .*none cannot be read/),
    })
    expect(await rollcall(env, 'export', 'nobody', file)).toMatchObject({ exitCode: EXIT.refused })
    // Also where there is nothing to send.
    writeExport(file, [])
    expect(await rollcall(env, 'import', 'nobody', file)).toMatchObject({ exitCode: EXIT.refused })
    const nowhere = await rollcall(env, 'export', tenant.name, join(folder, 'none', 'file'))
    expect(nowhere).toMatchObject({ exitCode: EXIT.usage, err: expect.stringContaining('cannot be written') })
  })
})

test('a terminal shows how far it is, and nothing else does', () => {
  let written = ''
  const write = (text: string) => {
    written += text
  }
  progressOn({ write }).show(0.5, 'acme: 50 records')
  expect(written).toBe('')
  progressOn({ write, isTTY: true, columns: 80 }).show(0.5, 'acme: 50 records')
  expect(written).toBe(`\r\u001b[K${'█'.repeat(15)}${'░'.repeat(15)} 50 %  acme: 50 records`)
})
