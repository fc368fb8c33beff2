import { execFile, execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Gateway, openGateway } from './support/gateway.ts'
import { jsonIn } from './support/http-client.ts'

/** What the client saw of one request. */
interface Seen {
  readonly method: string
  readonly status: number
  readonly body: unknown
}

const SCRIPT = fileURLToPath(new URL('fixtures/python-client.py', import.meta.url))

let gateway: Gateway
beforeAll(async () => {
  gateway = await openGateway()
})
afterAll(() => gateway.close())

/** The same client in this language: it sends no `schemas`, and a PUT with the one thing that it wants changed. */
async function playClient(base: string, key: string, userName: string): Promise<Seen[]> {
  const seen: Seen[] = []
  const call = async (method: string, path: string, body?: object) => {
    const response = await fetch(base + path, {
      method,
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/scim+json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const answer = jsonIn(text) as { id: string } | undefined
    seen.push({ method, status: response.status, body: text === '' ? null : answer })
    return answer
  }
  const user = await call('POST', '/Users', { userName, name: { givenName: 'Ann', familyName: 'Example' } })
  await call('PUT', `/Users/${user?.id}`, { name: { givenName: 'Anna' } })
  await call('GET', '/Users')
  await call('DELETE', `/Users/${user?.id}`)
  return seen
}

async function playPython(base: string, key: string, userName: string): Promise<Seen[]> {
  const { stdout } = await promisify(execFile)('python3', [SCRIPT, base, key, userName], { timeout: 120_000 })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Seen)
}

function hasPython(): boolean {
  try {
    return execFileSync('python3', ['--version'], { encoding: 'utf8' }).startsWith('Python 3')
  } catch {
    return false
  }
}

const satisfied = (userName: string) => {
  const user = { id: expect.stringMatching(/^[0-9a-f-]{36}$/), userName }
  return [
    {
      method: 'POST',
      status: 201,
      body: expect.objectContaining({ ...user, name: { givenName: 'Ann', familyName: 'Example' } }),
    },
    { method: 'PUT', status: 200, body: expect.objectContaining({ ...user, name: { givenName: 'Anna' } }) },
    {
      method: 'GET',
      status: 200,
      body: expect.objectContaining({ totalResults: 1, Resources: [expect.objectContaining(user)] }),
    },
    { method: 'DELETE', status: 204, body: null },
  ]
}

async function serves(play: typeof playClient): Promise<void> {
  const { base, key } = await gateway.newTenant()
  expect(await play(base, key, 'ann@example.com')).toEqual(satisfied('ann@example.com'))
}

test('CR-05 PUT-04 a client that sends no schemas and partial PUTs is served', () => serves(playClient))

// Not every machine has Python; the test above plays the same client.
test.skipIf(!hasPython())('CR-05 PUT-04 so is one in Python', () => serves(playPython))

test('CR-05 PUT-04 the legacy base URL serves it too', async () => {
  const { legacy } = gateway.bases
  expect(await playClient(legacy, gateway.key, 'legacy@example.com')).toEqual(satisfied('legacy@example.com'))
})
