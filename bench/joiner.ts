import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { webhookReceiver } from '../src/receiver/index.ts'
import { testSecret } from '../src/testing/index.ts'

// How long a developer waits: from the start of `rollcall dev --play okta --scenario joiner --forward-to …` until the receiver has
// verified the event that tells of the joiner. With `--load` as many processes compute beside it without a pause.
//
//     npm run bench:joiner -- [--times 5] [--load 0] [--provider okta]

const CLI = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
/** What the project promises for it. */
const MOST_MS = 10_000
/** After so long a run is given up. */
const GIVEN_UP_MS = 60_000

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '5' },
    load: { type: 'string', default: '0' },
    provider: { type: 'string', default: 'okta' },
  },
})
const [times, load] = [Number(values.times), Number(values.load)]

const busy = Array.from({ length: load }, () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }))
try {
  const taken: number[] = []
  for (let i = 0; i < times; i++) taken.push(await oneJoiner(values.provider))
  const sorted = taken.toSorted((a, b) => a - b)
  const [median, worst] = [sorted[Math.floor(sorted.length / 2)] ?? Number.NaN, sorted.at(-1) ?? Number.NaN]
  const all = taken.map((ms) => (ms / 1000).toFixed(2)).join(', ')
  console.log(
    `beside ${load} busy processes: ${all} s; median ${(median / 1000).toFixed(2)} s, worst ${(worst / 1000).toFixed(2)} s`,
  )
  if (!(worst <= MOST_MS)) throw new Error(`the joiner's event took longer than ${MOST_MS / 1000} s`)
} finally {
  for (const one of busy) one.kill('SIGKILL')
}

/** Milliseconds from the start of the command to the verified event. */
async function oneJoiner(provider: string): Promise<number> {
  const secret = testSecret()
  let resolve = (_: number) => {}
  let reject = (_: Error) => {}
  const arrived = new Promise<number>((...settle) => {
    ;[resolve, reject] = settle
  })
  const hooks = webhookReceiver({ secret, on: { 'user.created': () => resolve(performance.now()) } })
  const server = createServer(hooks.node)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const to = `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks`
  const began = performance.now()
  const args = ['dev', '--port', '0', '--play', provider, '--scenario', 'joiner', '--forward-to', to]
  const command = spawn(process.execPath, [CLI, ...args], {
    env: { ...process.env, ROLLCALL_WEBHOOK_SECRET: secret },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let words = ''
  command.stderr.on('data', (chunk) => {
    words += chunk
  })
  command.once('exit', (code) => reject(new Error(`rollcall dev ended with ${code}: ${words}`)))
  const timer = setTimeout(() => reject(new Error(`no event in ${GIVEN_UP_MS / 1000} s: ${words}`)), GIVEN_UP_MS)
  try {
    return (await arrived) - began
  } finally {
    clearTimeout(timer)
    await ended(command)
    server.close()
    server.closeAllConnections()
  }
}

async function ended(command: ChildProcess): Promise<void> {
  if (command.exitCode !== null) return
  command.kill('SIGTERM')
  await once(command, 'exit')
}
