import { setMaxListeners } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type FairWorld, userBody } from './world.ts'

// What one tenant does to others. Each load asks for as much as it can, but for the pause that an answer tells it to make.

/** By what was answered, how often: a status, `failed` without an answer, or 400 with its scimType. */
export type Answers = Record<string, number>

/** A load that goes on until it is stopped; then it tells what it was answered. */
export type RunningLoad = () => Promise<Answers>

interface Load {
  readonly title: string
  /** Answers beside 2xx, 429 and 503 that are right. */
  readonly allowed?: readonly string[]
  start(world: FairWorld): Promise<RunningLoad>
}

const PAUSE_MS = 200
const INSISTS = 100
const MANY_TERMS = 128
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const [STREAMS, RULES, HOOKS] = [500, 200, 150]

const terms = (count: number, term: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => term(i)).join(' or ')
let names = 0
const newName = () => `loud-${process.pid}-${names++}`

type Ask = (world: FairWorld, turn: number, signal: AbortSignal) => Promise<Response>

/** Clients that ask one after the other. */
const lanes =
  (clients: number, ask: Ask, breathMs = 0): Load['start'] =>
  async (world) => {
    const end = new AbortController()
    setMaxListeners(0, end.signal)
    const answers: Answers = {}
    const one = async (lane: number) => {
      for (let turn = lane; !end.signal.aborted; turn += clients) {
        const said = await ask(world, turn, end.signal)
          .then(nameOf)
          .catch(() => 'failed')
        if (end.signal.aborted && said === 'failed') return
        count(answers, said)
        if (said === '429' || said === '503' || said === 'failed') await pause(PAUSE_MS)
        if (breathMs > 0) await pause(breathMs)
      }
    }
    const all = Array.from({ length: clients }, (_, lane) => one(lane))
    return async () => {
      end.abort()
      await Promise.all(all)
      return answers
    }
  }

async function nameOf(answer: Response): Promise<string> {
  if (answer.status !== 400) {
    // Read and dropped, as a client would that only looks for one thing.
    for await (const _ of answer.body ?? []);
    return String(answer.status)
  }
  const { scimType } = (await answer.json()) as { scimType?: string }
  return `400 ${scimType ?? ''}`.trim()
}

const count = (answers: Answers, said: string, many = 1) => {
  answers[said] = (answers[said] ?? 0) + many
}

const search = ({ loud }: FairWorld, filter: string, signal: AbortSignal) =>
  fetch(`${loud.base}/Users/.search`, {
    method: 'POST',
    headers: loud.headers,
    body: JSON.stringify({ schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'], filter, count: 1 }),
    signal,
  })

const create: Ask = ({ loud }, _, signal) =>
  fetch(`${loud.base}/Users`, { method: 'POST', headers: loud.headers, body: userBody(newName()), signal })

const bulk: Ask = ({ loud }, _, signal) => {
  const operations = Array.from({ length: 1_000 }, (_, i) => {
    const userName = newName()
    const data = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName }
    return { method: 'POST', path: '/Users', bulkId: `b${i}`, data }
  })
  const body = JSON.stringify({
    schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
    Operations: operations,
  })
  return fetch(`${loud.base}/Bulk`, { method: 'POST', headers: loud.headers, body, signal })
}

/** The dearest of that many terms, which is refused, many that are cheap, and the dearest that may be. */
const FILTERS = [
  terms(MANY_TERMS, (i) => `groups.display co "z${i}"`),
  terms(MANY_TERMS, (i) => `userName eq "z${i}"`),
  terms(6, (i) => `${ENTERPRISE}:manager.$ref co "z${i}"`),
  terms(3, (i) => `emails co "z${i}"`),
]

const readGroup: Ask = ({ loud, largeGroup }, _, signal) =>
  fetch(`${loud.base}/Groups/${largeGroup}`, { headers: loud.headers, signal })

/** Readers that take the head of an answer and nothing more, and come again where they are refused. */
const stalled =
  (readers: number): Load['start'] =>
  async ({ loud, largeGroup }) => {
    const answers: Answers = {}
    const open = new Set<() => void>()
    let over = false
    const one = (): void => {
      const asked = request(`${loud.base}/Groups/${largeGroup}`, { headers: loud.headers, agent: false })
      const end = () => asked.destroy()
      open.add(end)
      const again = () => {
        if (open.delete(end) && !over) setTimeout(one, PAUSE_MS)
      }
      asked.once('response', (answer) => {
        count(answers, String(answer.statusCode))
        if (answer.statusCode === 200) answer.pause()
        else answer.resume()
        answer.once('close', again).on('error', () => {})
      })
      asked.once('error', () => {
        if (!over) count(answers, 'failed')
        again()
      })
      asked.end()
    }
    for (let i = 0; i < readers; i++) one()
    return async () => {
      over = true
      for (const end of open) end()
      return answers
    }
  }

/** Event streams, none of which has anything to tell. They are of ten tenants, since one may have fifty of them. */
const streams =
  (many: number): Load['start'] =>
  async ({ followed }) => {
    const end = new AbortController()
    setMaxListeners(0, end.signal)
    const answers: Answers = {}
    const one = async (i: number) => {
      const { admin, headers } = followed[i % followed.length] as FairWorld['loud']
      const answer = await fetch(`${admin}/events/stream`, { headers, signal: end.signal })
      count(answers, String(answer.status))
      for await (const _ of answer.body ?? []);
    }
    const all = Array.from({ length: many }, (_, i) => one(i))
    return async () => {
      end.abort()
      await Promise.allSettled(all)
      return answers
    }
  }

/** One set of rules after the other: each change brings all groups in step. */
const setRules: Ask = ({ loud, adminHeaders, groups }, turn, signal) => {
  const roleRules = Array.from({ length: RULES }, (_, i) => ({
    group: i === 0 ? { pattern: 'Group *' } : { displayName: `Group ${((turn * RULES + i) % groups) + 1}` },
    role: `role-${turn % 2}-${i}`,
  }))
  const body = JSON.stringify({ settings: { roleRules } })
  return fetch(loud.admin, { method: 'PATCH', headers: adminHeaders, body, signal })
}

/** Creates, each of which is to be sent to many receivers that take the request and never answer. */
const hangingWebhooks =
  (many: number): Load['start'] =>
  async (world) => {
    const receiver = createServer(() => {})
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    const { port } = receiver.address() as AddressInfo
    const { loud, adminHeaders } = world
    const ids: string[] = []
    for (let i = 0; i < many; i++) {
      const body = JSON.stringify({ url: `http://127.0.0.1:${port}/${i}` })
      const made = await insisting(() =>
        fetch(`${loud.admin}/webhooks`, { method: 'POST', headers: adminHeaders, body }),
      )
      if (made.status !== 201) throw new Error(`a webhook was answered ${made.status} ${await made.text()}`)
      ids.push(((await made.json()) as { id: string }).id)
    }
    const stop = await lanes(1, create, 100)(world)
    return async () => {
      const answers = await stop()
      for (const id of ids)
        await insisting(() => fetch(`${loud.admin}/webhooks/${id}`, { method: 'DELETE', headers: adminHeaders }))
      receiver.closeAllConnections()
      receiver.close()
      return answers
    }
  }

/** Asks until the answer is no 503: the tenant may be busy with what an earlier load has begun. */
async function insisting(ask: () => Promise<Response>): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const answer = await ask()
    if (answer.status !== 503 || attempt === INSISTS) return answer
    await answer.text()
    await pause(PAUSE_MS)
  }
}

/** By name, in the order in which they are measured. */
export const LOADS = {
  creates: { title: '32 creates at once', start: lanes(32, create) },
  bulk: { title: '8 bulks of 1,000 creates', start: lanes(8, bulk) },
  co: {
    title: '32 filters with `co` over all users',
    start: lanes(32, (world, _, signal) => search(world, 'title co "zzz"', signal)),
  },
  terms: {
    title: `32 filters, of ${MANY_TERMS} terms and the dearest`,
    allowed: ['400 tooMany'],
    start: lanes(32, (world, turn, signal) => search(world, FILTERS[turn % FILTERS.length] ?? '', signal)),
  },
  readers: { title: '32 readers of a group of all users', start: lanes(32, readGroup) },
  stalled: { title: '40 stalled readers of it', start: stalled(40) },
  streams: { title: `${STREAMS} event streams`, start: streams(STREAMS) },
  rules: { title: `${RULES} role rules being set`, start: lanes(1, setRules) },
  webhooks: { title: `${HOOKS} hanging webhooks`, start: hangingWebhooks(HOOKS) },
} as const satisfies Readonly<Record<string, Load>>
export type LoadName = keyof typeof LOADS

/** Answers of a load that nobody should get, with their numbers. */
export function wrongAnswers(name: LoadName, answers: Answers): string[] {
  const { allowed = [] }: Load = LOADS[name]
  const right = (said: string) => /^2\d\d$/.test(said) || said === '429' || said === '503' || allowed.includes(said)
  return Object.entries(answers).flatMap(([said, times]) => (right(said) ? [] : [`${said}: ${times}`]))
}
