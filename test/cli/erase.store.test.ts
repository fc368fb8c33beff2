import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXIT } from '../../src/cli/failure.ts'
import { ErasureWorker } from '../../src/erasure/worker.ts'
import { rollcall, rollcallJson } from '../support/cli.ts'
import { eraseToTheEnd, type Receipt } from '../support/erasing.ts'
import { type Gateway, openGateway } from '../support/gateway.ts'
import { idIn, userBody } from '../support/instances.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(() => gateway.close())

const env = () => ({
  ...{ ROLLCALL_PROJECT: gateway.project, ROLLCALL_ENVIRONMENT: gateway.environment },
  ...{ ROLLCALL_URL: gateway.origin, ROLLCALL_ADMIN_KEY: gateway.adminKey },
})

test('a person is erased once the id is repeated, and the receipt is listed and shown', async () => {
  const tenant = await gateway.newTenant()
  const id = idIn(await tenant.scim('POST', '/Users', userBody('zqplantedcli@acme.example')))
  const erase = (...more: string[]) => rollcall(env(), 'erase', tenant.name, ...more)
  expect(await erase(id, '--delete')).toMatchObject({
    exitCode: EXIT.usage,
    err: expect.stringContaining(`--confirm ${id}`),
  })
  expect(await erase(id, '--confirm', id)).toMatchObject({ exitCode: EXIT.refused })
  expect(await erase('--confirm', id)).toMatchObject({ exitCode: EXIT.usage })
  const begun = await erase(id, '--delete', '--confirm', id, '--reference', 'DSR-2')
  expect(begun).toMatchObject({ exitCode: EXIT.done, out: expect.stringMatching(/step +1 of 12: writers/) })
  const [first] = ((await rollcallJson(env(), 'erasures', 'list', tenant.name)) as { items: Receipt[] }).items
  await eraseToTheEnd(gateway.database, tenant.id, first?.id ?? '')
  const shown = await rollcall(env(), 'erasures', 'show', tenant.name, first?.id ?? '')
  expect(shown.out).toMatch(/state +done/)
  expect(shown.out).toMatch(/resources +1/)
  expect(shown.out).not.toContain('zqplantedcli')
  const never = await rollcallJson(
    env(),
    'erase',
    tenant.name,
    '--name',
    'zqplantednobody',
    '--confirm',
    'zqplantednobody',
  )
  expect(never).toMatchObject({ state: 'running', user: null })
})

test('the worker of an instance does all steps, but for the one that waits', async () => {
  const tenant = await gateway.newTenant()
  const id = idIn(await tenant.scim('POST', '/Users', userBody('zqplantedworker@acme.example')))
  const begun = (await rollcallJson(env(), 'erase', tenant.name, id, '--delete', '--confirm', id)) as Receipt
  const failures: unknown[] = []
  const worker = new ErasureWorker(gateway.database, (error) => failures.push(error))
  while (await worker.pass()) {}
  await worker.stop()
  expect(failures).toEqual([])
  expect(await rollcallJson(env(), 'erasures', 'show', tenant.name, begun.id)).toMatchObject({
    progress: { name: 'late-requests' },
  })
})
