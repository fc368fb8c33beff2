import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bootstrap } from '../../src/administration/bootstrap.ts'
import { built } from '../support/built.ts'
import { idleDeliveries } from '../support/deliveries.ts'
import { documents, runnableOf } from '../support/documents.ts'
import { openFreshDatabase } from '../support/engines.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'

/** How the commands of a page ended. */
interface Ran {
  readonly exitCode: number | null
  /** Of the requests that curl sent, in their order. */
  readonly statuses: readonly number[]
  readonly output: string
}

/** What the pages name in the place of the reader's own. */
const [ORIGIN, KEY] = ['http://localhost:8080', 'rck_…']
const pages = documents()
  .map((page) => ({ path: page.path, script: runnableOf(page) }))
  .filter(({ script }) => script !== '')

/** Runs `work` beside a gateway that was started just now, with what a first start makes. */
async function besideNewGateway(work: (run: (commands: string) => Promise<Ran>) => Promise<void>): Promise<void> {
  const database = await openFreshDatabase()
  await bootstrap(database, { adminKey: 'the one of the configuration' })
  const gateway = await openGateway({}, () => database)
  // What runs behind the requests, as on another instance.
  const deliveries = idleDeliveries(database)
  deliveries.start()
  try {
    await work((commands) => run(commands, gateway))
  } finally {
    await gateway.close()
    await deliveries.stop()
    await database.close()
  }
}

/** Runs commands with no variables but those that they set themselves, until one of them fails. */
async function run(commands: string, { origin, adminKey }: Gateway): Promise<Ran> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-commands-'))
  const script = `set -euo pipefail
curl() { command curl --fail-with-body --write-out '%{stderr}HTTP %{http_code}\\n' "$@"; }
rollcall() { node '${built.cli()}' "$@"; }
npx() { "$@"; }
${commands.replaceAll(ORIGIN, origin).replaceAll(KEY, adminKey)}`
  const env = { PATH: process.env.PATH, HOME: folder }
  const shell = spawn('bash', ['-c', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  shell.stdout.on('data', (chunk) => {
    out += chunk
  })
  shell.stderr.on('data', (chunk) => {
    err += chunk
  })
  const exitCode = await new Promise<number | null>((resolve) => shell.once('close', resolve))
  rmSync(folder, { recursive: true })
  const statuses = [...err.matchAll(/^HTTP (\d+)$/gm)].map(([, status]) => Number(status))
  return { exitCode, statuses, output: `${out}\n${err}` }
}

const toolsAreThere = ['bash', 'curl'].every((tool) => spawnSync(tool, ['--version']).status === 0)

// Without bash and curl the commands cannot be pasted; which of them there are is tested all the same.
describe.skipIf(!toolsAreThere)('commands that the documents mark as runnable', () => {
  test.each(pages)('those of $path do run, on a gateway that was started just now', async ({ script }) => {
    await besideNewGateway(async (run) => {
      const { exitCode, statuses, output } = await run(script)
      expect(exitCode, output).toBe(0)
      expect(statuses.filter((status) => status < 200 || status > 299)).toEqual([])
    })
  })

  test('a refused request, a refused command and a variable that no command sets are faults', async () => {
    await besideNewGateway(async (run) => {
      const faults = [
        `curl -sS ${ORIGIN}/api/v1/projects`,
        `KEY=$(curl -sS ${ORIGIN}/api/v1/projects | grep -o title)`,
        `ROLLCALL_URL=${ORIGIN} ROLLCALL_ADMIN_KEY=${KEY} npx rollcall tenant settings nobody`,
        'echo "$ROLLCALL_URL"',
      ]
      for (const fault of faults) expect((await run(fault)).exitCode, fault).not.toBe(0)
      const asked = `curl -sS ${ORIGIN}/api/v1/projects -H 'Authorization: Bearer ${KEY}'`
      expect(await run(asked)).toMatchObject({ exitCode: 0, statuses: [200] })
    })
  })
})

test('the README and the pages of daily use have such commands', () => {
  const found = pages.map(({ path }) => path)
  const wanted = ['README.md', 'docs/cli.md', 'docs/concepts.md', 'docs/operations.md', 'docs/settings.md']
  expect(found).toEqual(expect.arrayContaining(wanted))
})
