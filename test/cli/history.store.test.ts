import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXIT } from '../../src/cli/failure.ts'
import { rollcall } from '../support/cli.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'
import { writeHistory } from '../support/histories.ts'
import { groupBody, idIn, userBody } from '../support/instances.ts'

let gateway: Gateway
let folder: string
beforeAll(async () => {
  gateway = await openGateway()
  folder = mkdtempSync(join(tmpdir(), 'rollcall-history-'))
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await gateway.close()
})

const run = (...args: string[]) =>
  rollcall(
    {
      ...{ ROLLCALL_PROJECT: gateway.project, ROLLCALL_ENVIRONMENT: gateway.environment },
      ...{ ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey },
    },
    'history',
    ...args,
  )

test('a history is shown, exported and verified, and a changed export is not', async () => {
  const tenant = await gateway.newTenant({ settings: { history: true } })
  await writeHistory(gateway.database, tenant.id)
  const ada = idIn(await tenant.scim('POST', '/Users', userBody('ada@acme.example')))
  const team = idIn(await tenant.scim('POST', '/Groups', groupBody('Team', [ada])))
  await writeHistory(gateway.database, tenant.id)
  const written = Date.now()
  await expect.poll(() => Date.now()).toBeGreaterThan(written + 1)
  const now = new Date(written + 1).toISOString()

  expect((await run('show', tenant.name, '--at', now, '--person', ada)).out).toContain('Team')
  expect((await run('show', tenant.name, '--at', now, '--group', team)).out).toContain('ada@acme.example')
  expect((await run('show', tenant.name, '--at', now, '--kind', 'people')).out).toContain(ada)
  expect(await run('show', tenant.name, '--at', 'yesterday')).toMatchObject({ exitCode: EXIT.usage })
  expect(await run('show', tenant.name, '--at', now, '--person', ada, '--group', team)).toMatchObject({
    exitCode: EXIT.usage,
  })

  const file = join(folder, 'access.csv')
  const { since } = JSON.parse((await run('status', tenant.name, '--json')).out) as { since: string }
  expect(await run('export', tenant.name, file)).toMatchObject({ exitCode: EXIT.usage })
  expect(await run('export', tenant.name, file, '--from', since, '--until', now)).toMatchObject({
    exitCode: EXIT.done,
  })
  expect(readFileSync(file, 'utf8')).toContain('ada@acme.example')
  expect((await run('verify', file)).out).toContain('as signed by the key')
  expect(await run('verify', file, '--kid', 'another')).toMatchObject({ exitCode: EXIT.failed })
  appendFileSync(file, 'one more line\n')
  expect(await run('verify', file)).toMatchObject({
    exitCode: EXIT.failed,
    err: expect.stringContaining('was changed'),
  })
})
