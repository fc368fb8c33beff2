import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { banner } from '../../src/banner.ts'
import { FIRST_START } from '../support/banner.ts'

const curlIsThere = spawnSync('curl', ['--version']).status === 0

// Without curl the command cannot be pasted; banner.test.ts tests what it says.
test.skipIf(!curlIsThere).each([
  ['rck_api', 'Bearer rck_api'],
  [undefined, 'Bearer from the environment'],
])('the command, pasted into a shell, creates a user with key %s', async (apiKey, authorization) => {
  const seen: {
    url?: string | undefined
    authorization?: string | undefined
    type?: string | undefined
    body: string
  }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const { authorization, 'content-type': type } = request.headers
      seen.push({ url: `${request.method} ${request.url}`, authorization, type, body })
      response.end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const text = banner({ ...FIRST_START, apiKey, origin: `http://127.0.0.1:${port}` }, { colour: false })
  const command = text.slice(text.indexOf('curl '))
  const shell = spawn('sh', ['-c', command], { env: { ...process.env, ROLLCALL_KEY: 'from the environment' } })
  await new Promise((resolve) => shell.once('close', resolve))
  server.close()
  expect(seen).toEqual([
    { url: 'POST /scim/v2/default/dev/Users', authorization, type: 'application/scim+json', body: expect.any(String) },
  ])
  expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({ userName: 'ada@example.com' })
})
