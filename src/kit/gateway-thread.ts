import { parentPort, workerData } from 'node:worker_threads'
import { adminClient } from '../client/index.ts'
import type { Calls, FromGateway, GatewayThreadData, Played, ToGateway } from '../testing/types.ts'
import { ACME, makeCustomer, PEOPLE_OF_ACME } from './customer.ts'
import { endOfFeed, follow } from './feed.ts'
import { Forwarding } from './forwarding.ts'
import { startInMemory } from './in-memory.ts'
import { play } from './play.ts'
import { seedDirectory } from './seed.ts'

// The gateway of `rollcall/testing`, in a thread of its own: whatever runs the tests has no part in it.

const tell = (message: FromGateway) => parentPort?.postMessage(message)

async function run(): Promise<void> {
  const gateway = await startInMemory({ port: 0, warn: (line) => process.stderr.write(line) })
  const { origin, adminKey, place } = gateway
  const customer = await makeCustomer(adminClient({ origin, key: adminKey }), place, ACME)
  if ((workerData as GatewayThreadData).people) await seedDirectory(customer.scim, PEOPLE_OF_ACME)
  const feed = { client: adminClient({ origin, key: customer.appKey }), place: customer }
  const stopped = new AbortController()
  const forwards: Promise<void>[] = []
  const answers = new Map<number, (status: number) => void>()

  /** Has the handler in the thread of the tests answer. */
  const askThere = async (request: Request): Promise<Response> => {
    const id = answers.size === 0 ? 1 : Math.max(...answers.keys()) + 1
    const answered = new Promise<number>((resolve) => answers.set(id, resolve))
    tell({ kind: 'event', id, headers: Object.fromEntries(request.headers), body: await request.text() })
    const status = await answered
    answers.delete(id)
    return new Response(null, { status })
  }

  const does: { readonly [Name in keyof Calls]: (input: Calls[Name]['in']) => Promise<Calls[Name]['out']> } = {
    seed: (seed) => seedDirectory(customer.scim, seed),
    play: async ({ provider, scenario, options }) => {
      const all: Played[] = []
      for await (const played of play(customer.scim, provider, scenario, options)) all.push(played)
      return all
    },
    forward: async ({ url, secret, here }) => {
      const from = await endOfFeed(feed)
      const send = here ? askThere : (request: Request) => fetch(request)
      const forwarding = new Forwarding({ url, secret, send }, { told: () => {} }, stopped.signal)
      forwards.push(forwarding.run(follow(feed, from, stopped.signal)))
      return null
    },
    stop: async () => {
      stopped.abort()
      // What waits for an answer of a handler gets none any more.
      for (const answer of answers.values()) answer(503)
      await Promise.all(forwards)
      await gateway.stop()
      return null
    },
  }

  parentPort?.on('message', async (message: ToGateway) => {
    if (message.kind === 'answered') return answers.get(message.id)?.(message.status)
    const { id, name, input } = message
    try {
      const output = await (does[name] as (input: unknown) => Promise<unknown>)(input)
      tell({ kind: 'done', id, output, fault: undefined })
    } catch (error) {
      tell({ kind: 'done', id, output: undefined, fault: error instanceof Error ? error.message : String(error) })
    }
  })
  tell({ kind: 'running', origin, adminKey, customer, position: Number(await endOfFeed(feed)) })
}

run().catch((error: unknown) =>
  tell({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) }),
)
