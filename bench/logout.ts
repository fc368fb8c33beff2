import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { decodeJwt } from 'jose'
import { userBody } from '../test/support/instances.ts'
import { openLogoutProvider } from '../test/support/logout.ts'
import { startPostgres } from '../test/support/postgres-server.ts'
import { ADMIN_KEY, adminAt } from './admin.ts'
import { gatewayEnv } from './prepare.ts'
import { startGateway } from './processes.ts'

// Universal Logout: how long after the answer to an identity provider the application is told, by a webhook and by a CAEP
// `session-revoked` that is pushed or polled. The gateway is a process with its defaults, on each engine; logouts come one by one, and
// the first ones count like all others.
//
//     npm run bench:logout -- [logouts]      # 50 unless it says otherwise

const logouts = Number(process.argv[2] ?? 50)
const APART_MS = 400
/** So long it takes at the most until the gateway has seen that there are a webhook and streams. */
const NOTICED_MS = 2_000
const LOST_MS = 30_000
const WAYS = ['webhook', 'push', 'long poll'] as const
type Way = (typeof WAYS)[number]

const emailOf = (n: number) => `person${n}@bench.example`
const emailIn = (jwt: string) => (decodeJwt(jwt).sub_id as { readonly email: string }).email

/** Milliseconds from each answer to the arrival, by how it came. */
async function measure(env: Readonly<Record<string, string>>): Promise<Record<Way, number[]>> {
  const gateway = await startGateway({ ...env, DELIVERY_NETWORKS: '127.0.0.0/8' })
  const provider = await openLogoutProvider()
  const arrived: Record<Way, Map<string, number>> = { webhook: new Map(), push: new Map(), 'long poll': new Map() }
  const note = (way: Way, email: string) => {
    if (!arrived[way].has(email)) arrived[way].set(email, performance.now())
  }
  const emails = new Map<string, string>()
  const receiver = createServer(async (incoming, outgoing) => {
    let text = ''
    for await (const chunk of incoming) text += chunk
    const isPush = incoming.url === '/push'
    if (isPush) note('push', emailIn(text))
    else note('webhook', emails.get(JSON.parse(text).data.resource.id) ?? '')
    outgoing.writeHead(isPush ? 202 : 200).end()
  })
  await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done))
  const receiving = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
  const over = new AbortController()
  let polling = Promise.resolve()
  try {
    const admin = adminAt(gateway.origin)
    const settings = { logoutIssuers: [provider.registered] }
    await admin('POST', '/tenants', { key: 'acme', settings })
    const { key } = await admin<{ key: string }>('POST', '/api-keys', { name: 'bench', tenant: 'acme' })
    const base = `${gateway.origin}/scim/v2/default/dev/v2/acme`
    for (let n = 0; n < logouts; n++) {
      const body = JSON.stringify(userBody(`person${n}`, { emails: [{ value: emailOf(n), primary: true }] }))
      const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/scim+json' }
      const answer = await fetch(`${base}/Users`, { method: 'POST', headers, body })
      emails.set(((await answer.json()) as { id: string }).id, emailOf(n))
    }
    const stream = (more: object) =>
      admin<{ url: string }>('POST', '/tenants/acme/streams', { signals: ['caep'], subject: 'email', ...more })
    await admin('POST', '/tenants/acme/webhooks', { url: `${receiving}/hook`, events: ['user.sessions_revoked'] })
    await stream({ audience: 'urn:pushed', method: 'push', url: `${receiving}/push` })
    const polled = await stream({ audience: 'urn:polled', method: 'poll' })
    const poll = async () => {
      let ack: string[] = []
      while (!over.signal.aborted) {
        const headers = { Authorization: `Bearer ${ADMIN_KEY}`, 'Content-Type': 'application/json' }
        const body = JSON.stringify({ maxEvents: 100, ack })
        const answer = await fetch(polled.url, { method: 'POST', headers, body, signal: over.signal })
        if (!answer.ok) throw new Error(`a poll was answered ${answer.status} ${await answer.text()}`)
        const { sets } = (await answer.json()) as { readonly sets: Readonly<Record<string, string>> }
        for (const set of Object.values(sets)) note('long poll', emailIn(set))
        ack = Object.keys(sets)
      }
    }
    polling = poll().catch((error) => {
      if (!over.signal.aborted) throw error
    })
    await pause(NOTICED_MS)

    const url = `${base}/.global-token-revocation`
    const answered = new Map<string, number>()
    for (let n = 0; n < logouts; n++) {
      const email = emailOf(n)
      const headers = { Authorization: `Bearer ${await provider.token(url)}`, 'Content-Type': 'application/json' }
      const body = JSON.stringify({ sub_id: { format: 'email', email } })
      const { status } = await fetch(url, { method: 'POST', headers, body })
      answered.set(email, performance.now())
      if (status !== 204) throw new Error(`a logout was answered ${status}`)
      await pause(APART_MS)
    }
    const lostAt = performance.now() + LOST_MS
    while (WAYS.some((way) => arrived[way].size < logouts) && performance.now() < lostAt) await pause(20)
    const lags = (way: Way) =>
      [...answered].map(([email, at]) => {
        const then = arrived[way].get(email)
        if (then === undefined) throw new Error(`the ${way} of ${email} did not come`)
        return then - at
      })
    return { webhook: lags('webhook'), push: lags('push'), 'long poll': lags('long poll') }
  } finally {
    over.abort()
    await polling.finally(() => gateway.stop())
    await provider.close()
    receiver.closeAllConnections()
    await new Promise((done) => receiver.close(done))
  }
}

const at = (sorted: readonly number[], share: number) =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)

const lines = ['| engine | way | p50 | p99 | most |', '|---|---|---|---|---|']
const add = (engine: string, found: Readonly<Record<Way, number[]>>) => {
  for (const way of WAYS) {
    const sorted = found[way].toSorted((a, b) => a - b)
    lines.push(`| ${engine} | ${way} | ${at(sorted, 0.5)} ms | ${at(sorted, 0.99)} ms | ${at(sorted, 1)} ms |`)
  }
}
const server = await startPostgres({ fsync: true })
const folder = mkdtempSync(join(tmpdir(), 'rollcall-bench-'))
try {
  add('PostgreSQL', await measure(gatewayEnv(server.url)))
  add('embedded', await measure({ ADMIN_KEY, DATA_DIR: folder }))
} finally {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}
console.log(lines.join('\n'))
const day = new Date().toISOString().slice(0, 10)
const results = fileURLToPath(new URL(`results/${day}/`, import.meta.url))
mkdirSync(results, { recursive: true })
const head = `# Universal Logout\n\n\`npm run bench:logout -- ${logouts}\`, ${new Date().toISOString()}, Node ${process.versions.node}.\nFrom the answer to the identity provider to the arrival, ${logouts} logouts on each engine.\n`
writeFileSync(`${results}logout.md`, `${head}\n${lines.join('\n')}\n`)
