import { execFileSync, spawn } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
/** What the build reads; the test builds in a copy, because `dist` of the project may be in use. */
const SOURCES = [
  'src',
  'drizzle',
  'build.ts',
  'prestart.js',
  'tsconfig.json',
  'tsconfig.build.json',
  'package.json',
  'package-lock.json',
]
/** What the project has besides; npm packs no links, so it is copied too. */
const OTHERS = ['CHANGELOG.md', 'LICENSE', 'README.md', '.ci', 'bench/programs', 'docs/idp', 'test/package']

let folder: string
let project: string
let consumer: string
let installed: string
let packed: readonly string[]

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-package-'))
  project = join(folder, 'project')
  consumer = join(folder, 'consumer')
  installed = join(consumer, 'node_modules/rollcall')
  mkdirSync(project)
  for (const name of [...SOURCES, ...OTHERS]) cpSync(join(ROOT, name), join(project, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'))

  const [made] = JSON.parse(run(project, 'npm', 'pack', '--json', '--pack-destination', folder))
  packed = made.files.map(({ path }: { path: string }) => path)
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', join(folder, made.filename), '-C', installed, '--strip-components=1'])
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  // The compiler and Node's types are the consumer's own.
  for (const name of [
    ...Object.keys(dependencies),
    'openapi-typescript-helpers',
    'typescript',
    '@types/node',
    'undici-types',
  ])
    link(name)
})
afterAll(() => rmSync(folder, { recursive: true }))

function link(name: string, to = consumer): void {
  const path = join(to, 'node_modules', name)
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules', name), path)
}

/** Standard output of a program; its standard error is in what is thrown where it fails. */
function run(cwd: string, program: string, ...args: string[]): string {
  return execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

describe('the packed file', () => {
  test('has the programs, the typed client, the migrations, the guides and the database image', () => {
    const needed = [
      'dist/main.js',
      'dist/cli/main.js',
      'dist/client/index.js',
      'dist/client/index.d.ts',
      ...['mirror', 'receiver', 'testing'].flatMap((name) =>
        ['js', 'cjs', 'd.ts'].map((end) => `dist/${name}/index.${end}`),
      ),
      'dist/kit/gateway-thread.js',
      'drizzle/meta/_journal.json',
    ]
    expect(packed).toEqual(expect.arrayContaining([...needed, 'package.json', 'LICENSE', 'README.md', 'CHANGELOG.md']))
    expect(packed.filter((path) => path.startsWith('dist/database-image/'))).toHaveLength(1)
    const guides = readdirSync(join(ROOT, 'docs/idp')).map((file) => `docs/idp/${file}`)
    expect(packed.filter((path) => path.startsWith('docs/')).sort()).toEqual(guides.sort())
    const { entries } = JSON.parse(readFileSync(join(ROOT, 'drizzle/meta/_journal.json'), 'utf8'))
    const migrations = entries.map(({ tag }: { tag: string }) => `drizzle/${tag}.sql`)
    expect(packed.filter((path) => path.endsWith('.sql')).sort()).toEqual(migrations.sort())
  })

  test('has nothing else: no sources, tests, benchmarks, snapshots of the schema or notes of the build', () => {
    const allowed =
      /^(?:dist\/(?:main\.js|db\/pglite-thread\.js|kit\/gateway-thread\.js|cli\/|chunks\/|client\/|mirror\/|receiver\/|testing\/|database-image\/)|drizzle\/(?:\w[\w-]*\.sql|meta\/_journal\.json)$|docs\/idp\/[a-z-]+\.md$)/
    const rest = packed.filter((path) => !allowed.test(path)).sort()
    expect(rest).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'])
  })
})

describe('a project that installs it', () => {
  test('compiles a program with the typed client, without skipping the checks of its declarations', () => {
    const tsconfig = {
      compilerOptions: {
        ...{ target: 'ES2023', lib: ['ES2023'], module: 'NodeNext', types: ['node'] },
        ...{ strict: true, skipLibCheck: false, noEmit: true },
      },
      files: ['program.ts'],
    }
    writeFileSync(join(consumer, 'package.json'), JSON.stringify({ type: 'module' }))
    writeFileSync(join(consumer, 'tsconfig.json'), JSON.stringify(tsconfig))
    writeFileSync(join(consumer, 'program.ts'), PROGRAM)
    expect(compiled()).toBe('')
    writeFileSync(join(consumer, 'program.ts'), PROGRAM.replace('emails?.[0]', 'emials?.[0]'))
    expect(compiled()).toContain('program.ts(11,')
  })

  test('runs the client', () => {
    const program = `
      import { adminClient } from 'rollcall/client'
      const asked = []
      const fetch = async (request) => { asked.push(request.url); return Response.json({ items: [] }) }
      const client = adminClient({ origin: 'https://scim.example.com', key: 'k', fetch })
      await client.GET('/projects')
      console.log(asked.join())`
    expect(run(consumer, 'node', '--input-type=module', '--eval', program)).toBe(
      'https://scim.example.com/api/v1/projects\n',
    )
  })

  test('receives and tests with what it exports, by import and by require', () => {
    const program = `
      const secret = testSecret()
      const gateway = await startGateway()
      const types = []
      const { fetch } = webhookReceiver({ secret, on: { '*': ({ type }) => types.push(type) } })
      await gateway.forwardTo(fetch, secret)
      await gateway.play('okta', 'joiner')
      await gateway.expectEvent('user.created')
      await gateway.stop()
      console.log(types.includes('user.created'))
      try {
        openMirror({ gateway: { origin: 'none', key: 'k' }, database: 'postgres://127.0.0.1/none' })
      } catch (error) {
        console.log(error instanceof MirrorRefused)
      }`
    const imported = `import { MirrorRefused, openMirror } from 'rollcall/mirror'
      import { startGateway, testSecret } from 'rollcall/testing'
      import { webhookReceiver } from 'rollcall/receiver'
      ${program}`
    expect(run(consumer, 'node', '--input-type=module', '--eval', imported)).toBe('true\ntrue\n')
    const required = `const { MirrorRefused, openMirror } = require('rollcall/mirror')
      const { startGateway, testSecret } = require('rollcall/testing')
      const { webhookReceiver } = require('rollcall/receiver')
      void (async () => {${program}})()`
    expect(run(consumer, 'node', '--input-type=commonjs', '--eval', required)).toBe('true\ntrue\n')
  })

  test('starts the command line, which knows its own version', () => {
    const { bin, version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
    expect(run(consumer, 'node', join(installed, bin.rollcall), '--version')).toBe(`${version}\n`)
    expect(run(consumer, 'node', join(installed, bin.rollcall), '--help')).toContain('serve')
  })
})

const PROGRAM = `
import { adminClient, type Schemas } from 'rollcall/client'
import { webhookReceiver } from 'rollcall/receiver'
import { startGateway } from 'rollcall/testing'

const client = adminClient({ origin: 'https://scim.example.com', key: process.env.ROLLCALL_KEY ?? '' })
export async function addressOf(user: Schemas['DirectoryUser']): Promise<string | undefined> {
  const { data, error } = await client.GET('/projects', { params: { query: { limit: 1 } } })
  if (error) throw new Error(error.detail)
  const key: string | undefined = data.items[0]?.key
  const email: string | undefined = user.emails?.[0]?.value
  return email ?? key
}
export const hooks = webhookReceiver({
  secret: 'whsec_c2VjcmV0',
  on: { 'user.created': ({ changes }) => changes.after.userName.length, 'role.assigned': ({ changes }) => changes.users[0] },
})
export const mirror = openMirror({ gateway: { origin: 'https://scim.example.com', key: 'k' }, database: 'postgres://localhost/app' })
export const titleOf = async (): Promise<string | undefined> => (await (await startGateway()).play('okta'))[0]?.title
import { openMirror } from 'rollcall/mirror'
`

function compiled(): string {
  try {
    return run(consumer, 'node', join(ROOT, 'node_modules/typescript/bin/tsc'))
  } catch (error) {
    return (error as { stdout: string }).stdout
  }
}

describe('npm start', () => {
  /** What the step before the start says. */
  const said = () => {
    const { scripts } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'))
    return run(project, 'sh', '-c', `${scripts.prestart} 2>&1`).split('\n').filter(Boolean)
  }

  test('builds nothing where nothing has changed since the last build', () => {
    expect(said()).toEqual(['nothing to build: dist is up to date', 'starting'])
  })

  test('builds, step by step, what an input has changed, and then nothing again', () => {
    appendFileSync(join(project, 'src/main.ts'), '// changed\n')
    const steps = [
      ...['building 1/4: programs', 'building 2/4: typed client', 'building 3/4: database image'],
      ...['building 4/4: compiled code', 'starting'],
    ]
    expect(said()).toEqual(steps)
    expect(said()).toEqual(['nothing to build: dist is up to date', 'starting'])
    rmSync(join(project, 'dist'), { recursive: true })
    expect(said()).toEqual(steps)
    expect(existsSync(join(project, 'dist/main.js'))).toBe(true)
  })

  describe('as on a host, which takes the packages of the build away', () => {
    let host: string
    beforeAll(() => {
      host = join(folder, 'host')
      cpSync(project, host, { recursive: true, filter: (path) => path !== join(project, 'node_modules') })
      const { dependencies } = JSON.parse(readFileSync(join(host, 'package.json'), 'utf8'))
      for (const name of [...Object.keys(dependencies), 'openapi-typescript-helpers']) link(name, host)
    })

    /** Runs `npm start`; once it says `until`, it is stopped. Gives what it said, and its exit code. */
    function started(until: string): Promise<{ readonly said: string; readonly code: number | null }> {
      const env = { ...process.env, PORT: '0', DATA_DIR: join(host, 'data'), DATABASE_URL: '', NODE_ENV: '' }
      const child = spawn('npm', ['start'], { cwd: host, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
      let said = ''
      const hear = (chunk: Buffer) => {
        const before = said
        said += chunk
        // npm, its shell and the gateway are one group.
        if (!before.includes(until) && said.includes(until)) process.kill(-(child.pid as number), 'SIGTERM')
      }
      child.stdout.on('data', hear)
      child.stderr.on('data', hear)
      return new Promise((resolve) => child.once('close', (code) => resolve({ said, code })))
    }

    test('starts what was built, also where sources have another date or have changed', async () => {
      appendFileSync(join(host, 'src/main.ts'), '// changed on the way\n')
      const { said } = await started('Create a user:')
      expect(said).toContain('starting what was built: the packages of the build are not there\n')
      expect(said).toContain('Rollcall is running')
    })

    test('says what is missing where nothing was built', async () => {
      rmSync(join(host, 'dist'), { recursive: true })
      const { said, code } = await started('Create a user:')
      expect(said).toContain('there is nothing to start: run npm ci and npm run build')
      expect(code).toBe(1)
    })
  })
})
