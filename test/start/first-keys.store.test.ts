import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bootstrap } from '../../src/administration/bootstrap.ts'
import { loadConfig } from '../../src/config.ts'
import { ControlPlane } from '../../src/context/control-plane.ts'
import type { Database } from '../../src/db/database.ts'
import { CannotListen } from '../../src/listen.ts'
import { createLogger } from '../../src/observability/logger.ts'
import { controlStore } from '../../src/repositories/control/control-store.ts'
import { type Gateway, type GatewayParts, startGateway } from '../../src/start.ts'
import { ownStore } from '../support/engines.ts'

let store: Awaited<ReturnType<typeof ownStore>>
let running: Gateway | undefined
beforeEach(async () => {
  store = await ownStore()
  running = undefined
})
afterEach(async () => {
  await running?.stop(0)
  store.remove()
})

interface Told {
  readonly apiKey: string | null
  readonly adminKey: string | null
  readonly keysFile: string | null
}

/** Starts a gateway with its real first keys around an app that tells who a key is; gives what its banner tells programs. */
async function start(
  parts: Partial<GatewayParts> = {},
  env: Record<string, string> = {},
  isTTY = false,
): Promise<Told> {
  let said = ''
  const config = loadConfig({ PORT: '0', ...store.env, ...env })
  running = await startGateway({
    ...{ config, logger: createLogger('silent'), bootstrap, json: true, onLost: () => {} },
    createApp: async ({ database }) => ({ fetch: async (request) => whoIs(database, request) }),
    out: { write: (text) => (said += text), isTTY },
    ...parts,
  })
  return JSON.parse(said) as Told
}

async function whoIs(database: Database, request: Request): Promise<Response> {
  const control = new ControlPlane(controlStore(database))
  const found = await control.authenticate(request.headers.get('Authorization') ?? undefined)
  return new Response('principal' in found ? found.principal.scope.kind : 'nobody')
}
const ask = async (key: string | null) =>
  (await fetch(`http://127.0.0.1:${running?.port}/`, { headers: { Authorization: `Bearer ${key}` } })).text()
const folderOf = () => store.env.DATA_DIR ?? ''
const inFile = (path: string | null): Told => JSON.parse(readFileSync(path ?? '', 'utf8'))

async function takenPort(): Promise<{ port: string; server: Server }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: String((server.address() as AddressInfo).port), server }
}

test('a first start on a taken port makes no keys, and the next one shows both', async () => {
  const { port, server } = await takenPort()
  await expect(start({}, { PORT: port })).rejects.toThrow(CannotListen)
  server.close()
  const told = await start({}, {}, true)
  expect([await ask(told.apiKey), await ask(told.adminKey), told.keysFile]).toEqual(['environment', 'instance', null])
})

const PRODUCTION = {
  NODE_ENV: 'production',
  PUBLIC_URL: 'https://scim.example.com',
  SECRETS_KEY: 'a-secrets-key-for-the-first-start-in-tests',
  TRUST_PROXY: 'none',
}

test('a first start in production that is not on a terminal puts its keys into a file for its owner alone, and shows none', async () => {
  const told = await start({}, PRODUCTION)
  const { keysFile } = told
  expect(told).toMatchObject({ apiKey: null, adminKey: null, keysFile: expect.stringMatching(/\/rollcall-first-keys/) })
  expect((statSync(keysFile ?? '').mode & 0o777).toString(8)).toBe('600')
  const keys = inFile(keysFile)
  expect([await ask(keys.apiKey), await ask(keys.adminKey)]).toEqual(['environment', 'instance'])
  expect(dirname(keysFile ?? '')).toBe(folderOf())
})

test("outside production it shows the first environment's key, and the admin key is in the file alone", async () => {
  const told = await start()
  expect(told).toMatchObject({ adminKey: null, keysFile: expect.any(String) })
  expect((statSync(told.keysFile ?? '').mode & 0o777).toString(8)).toBe('600')
  expect([await ask(told.apiKey), await ask(inFile(told.keysFile).adminKey)]).toEqual(['environment', 'instance'])
})

test('a terminal is shown the keys, and no file keeps them', async () => {
  expect(await start({}, {}, true)).toMatchObject({ apiKey: expect.any(String), adminKey: expect.any(String) })
  expect(existsSync(join(folderOf(), 'rollcall-first-keys'))).toBe(false)
})

test('keys that were made and not shown are named by the next start, for as long as their file is there', async () => {
  const fails = () => {
    throw new Error('no app')
  }
  await expect(start({ createApp: fails })).rejects.toThrow('no app')
  const told = await start({}, {}, true)
  expect(told).toMatchObject({ apiKey: null, adminKey: null, keysFile: expect.any(String) })
  expect(await ask(inFile(told.keysFile).adminKey)).toBe('instance')
  await running?.stop(0)
  rmSync(told.keysFile ?? '')
  expect(await start()).toMatchObject({ apiKey: null, adminKey: null, keysFile: null })
})

test('a first start whose keys cannot be made good leaves neither keys nor a file', async () => {
  const half: GatewayParts['bootstrap'] = (database, config, keep) =>
    bootstrap(database, config, async (keys) => {
      await keep(keys)
      throw new Error('cut short')
    })
  await expect(start({ bootstrap: half })).rejects.toThrow('cut short')
  expect(existsSync(join(folderOf(), 'rollcall-first-keys'))).toBe(false)
  expect(await start({}, {}, true)).toMatchObject({ apiKey: expect.any(String), adminKey: expect.any(String) })
})

test('a file that is there already is left as it is', async () => {
  const folder = folderOf()
  writeFileSync(join(folder, 'rollcall-first-keys'), 'of somebody else')
  const { keysFile } = await start()
  expect(keysFile).toMatch(/\/rollcall-first-keys-[0-9a-f]{8}$/)
  expect(readFileSync(join(folder, 'rollcall-first-keys'), 'utf8')).toBe('of somebody else')
})

test('until all is there requests are answered 503 with when to come again, and the process lives', async () => {
  const { port, server } = await takenPort()
  await new Promise((resolve) => server.close(resolve))
  const answers: unknown[] = []
  const slow: GatewayParts['bootstrap'] = async (...parts) => {
    for (const path of ['/livez', '/readyz', '/scim/v2/default/dev/Users', '/api/v1/projects']) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`)
      answers.push([answer.status, answer.headers.get('Retry-After'), answer.headers.get('Content-Type')])
    }
    return bootstrap(...parts)
  }
  await start({ bootstrap: slow }, { PORT: port })
  expect(answers).toEqual([
    [200, null, expect.any(String)],
    [503, '1', 'application/problem+json'],
    [503, '1', 'application/scim+json'],
    [503, '1', 'application/problem+json'],
  ])
  expect(await ask('nobody')).toBe('nobody')
})
