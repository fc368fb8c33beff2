import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { openPglite } from '../../src/db/pglite.ts'
import { runGateway } from '../support/children.ts'
import { newStoreFolder } from '../support/store-folder.ts'

const dataDir = newStoreFolder()
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

const adminKey = randomBytes(20).toString('hex')

async function start() {
  const child = runGateway({
    ...{ PORT: '0', HOST: '127.0.0.1', DATA_DIR: dataDir, DATABASE_URL: '', LOG_LEVEL: 'silent' },
    ...{ ADMIN_KEY: adminKey, READ_TIMEOUT_MS: '2000' },
  })
  await child.says('Create a user')
  const origin = `http://127.0.0.1:${/http:\/\/localhost:(\d+)/.exec(child.stdout())?.[1]}`
  const ask = (path: string, key: string, body?: object) =>
    fetch(origin + path, {
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/scim+json' },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    })
  const stop = async () => {
    child.process.kill('SIGTERM')
    await child.ended()
  }
  return { ask, stop }
}

/** Makes every statement that reads resources look through many rows first, for longer than a read may take. */
async function slowDown() {
  const database = await openPglite({ dataDir }, (reason) => console.error(reason))
  await database.run('alter table resources rename to stored_resources', [])
  await database.run(
    'create view resources as select * from stored_resources where (select count(*) from generate_series(1, 300000000)) > 0',
    [],
  )
  await database.close()
}

test('during a long statement of the embedded engine, health checks and refusals are answered; the statement ends with 503', async () => {
  const users = '/scim/v2/default/dev/Users'
  const quick = await start()
  const made = await quick.ask(users, adminKey, { userName: 'ada' })
  expect(made.status).toBe(201)
  const { id } = (await made.json()) as { id: string }
  await quick.stop()
  await slowDown()

  const slow = await start()
  const events: string[] = []
  const read = slow.ask(`${users}/${id}`, adminKey).finally(() => events.push('read'))
  for (const [path, key, status] of [
    ['/livez', '', 200],
    [users, 'rck_unknown', 401],
    ['/scim/v2/default/none/Users', adminKey, 404],
    ['/livez', '', 200],
  ] as const) {
    expect([path, (await slow.ask(path, key)).status]).toEqual([path, status])
    events.push('answer')
  }
  const ended = await read
  expect(events).toEqual(['answer', 'answer', 'answer', 'answer', 'read'])
  expect([ended.status, ended.headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)])
  expect(await ended.text()).toContain('longer than the 2000 ms that a read may take')
  // The engine is none the worse for it.
  expect((await slow.ask('/api/v1/projects', adminKey)).status).toBe(200)
  await slow.stop()
})
