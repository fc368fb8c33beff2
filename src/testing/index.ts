import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { type AdminClient, adminClient } from '../client/index.ts'
import type { AnyEvent, EventOf, EventType } from '../receiver/events.ts'
import type {
  Calls,
  FromGateway,
  GatewayThreadData,
  Played,
  PlayOptions,
  Provider,
  Scenario,
  Seed,
  Seeded,
  TestCustomer,
  ToGateway,
} from './types.ts'

export type {
  Played,
  PlayOptions,
  Provider,
  Scenario,
  Seed,
  Seeded,
  SeedGroup,
  SeedUser,
  TestCustomer,
} from './types.ts'

/** How a gateway for tests begins. */
export interface StartOptions {
  /** True for the people of `rollcall dev`; without it the customer's directory is empty. */
  readonly people?: boolean
}

/** A whole gateway in memory, with one customer, for one test or a file of tests. */
export interface TestGateway {
  readonly origin: string
  readonly adminKey: string
  readonly customer: TestCustomer
  /** The admin API, with the permission for everything. */
  readonly admin: AdminClient
  /** Makes users and groups over SCIM, as an identity provider would. */
  seed(seed: Seed): Promise<Seeded>
  /** Sends what an identity provider sends when somebody joins, moves or leaves; without a scenario, all three in a row. */
  play(provider: Provider, scenario?: Scenario, options?: PlayOptions): Promise<readonly Played[]>
  /**
   * The next event of a type, perhaps one that `matches`; each event is given once.
   *
   * @throws {Error} when none has come in time, 5 seconds by default, with the types that came
   */
  expectEvent<Type extends EventType>(
    type: Type,
    matches?: (event: EventOf<Type>) => boolean,
    options?: { readonly timeoutMs?: number },
  ): Promise<EventOf<Type>>
  /**
   * Sends what happens from now on to your receiver, signed as a webhook: to a handler of Fetch, or to the URL of a server. Give
   * it the secret that your receiver has, `testSecret()` for example.
   */
  forwardTo(receiver: string | ((request: Request) => Response | Promise<Response>), secret: string): Promise<void>
  /** Ends the gateway; all that it had is gone. */
  stop(): Promise<void>
}

/** A secret of a webhook, such as `whsec_…`, that no other test has. */
export const testSecret = (): string => `whsec_${randomBytes(24).toString('base64')}`

const EVENTS = '/projects/{project}/environments/{environment}/tenants/{tenant}/events'
const TIMEOUT_MS = 5_000
const WAIT_SECONDS = 1

/**
 * Starts a gateway in memory, in a thread of its own: whatever runs your tests, vitest, jest or node:test, has no part in it.
 *
 *     const gateway = await startGateway()
 *     await gateway.play('okta', 'joiner')
 *     const { changes } = await gateway.expectEvent('user.created')
 */
export async function startGateway({ people = false }: StartOptions = {}): Promise<TestGateway> {
  const workerData: GatewayThreadData = { people }
  const thread = new Worker(new URL('../kit/gateway-thread.js', import.meta.url), { workerData, execArgv: [] })
  const calls = new Map<number, { done: (output: unknown) => void; failed: (error: Error) => void }>()
  let handler: ((request: Request) => Response | Promise<Response>) | undefined
  const tell = (message: ToGateway) => thread.postMessage(message)
  const handled = async ({ id, headers, body }: FromGateway & { readonly kind: 'event' }) => {
    const request = new Request('http://localhost/webhooks', { method: 'POST', headers, body })
    const status = await Promise.resolve(handler?.(request)).then(
      (answer) => answer?.status ?? 500,
      () => 500,
    )
    tell({ kind: 'answered', id, status })
  }

  const running = await new Promise<FromGateway & { readonly kind: 'running' }>((resolve, reject) => {
    const ended = (error: Error) => {
      reject(error)
      for (const { failed } of calls.values()) failed(error)
      calls.clear()
    }
    thread.once('error', ended)
    thread.once('exit', () => ended(new Error('the gateway has ended')))
    thread.on('message', (message: FromGateway) => {
      if (message.kind === 'running') resolve(message)
      else if (message.kind === 'failed') reject(new Error(message.reason))
      else if (message.kind === 'event') void handled(message)
      else {
        const call = calls.get(message.id)
        calls.delete(message.id)
        if (message.fault === undefined) call?.done(message.output)
        else call?.failed(new Error(message.fault))
        if (calls.size === 0) thread.unref()
      }
    })
  })
  // A test that forgets to stop the gateway ends all the same.
  thread.unref()
  const call = <Name extends keyof Calls>(name: Name, input: Calls[Name]['in']) =>
    new Promise<Calls[Name]['out']>((resolve, reject) => {
      const id = nextId()
      calls.set(id, { done: (output) => resolve(output as Calls[Name]['out']), failed: reject })
      thread.ref()
      tell({ kind: 'call', id, name, input })
    })

  const { origin, adminKey, customer } = running
  const events = new EventBuffer(adminClient({ origin, key: customer.appKey }), customer, running.position)
  return {
    ...{ origin, adminKey, customer, admin: adminClient({ origin, key: adminKey }) },
    seed: (seed) => call('seed', seed),
    play: (provider, scenario, options = {}) => call('play', { provider, scenario, options }),
    expectEvent: (type, matches = () => true, { timeoutMs = TIMEOUT_MS } = {}) => events.next(type, matches, timeoutMs),
    forwardTo: async (receiver, secret) => {
      const here = typeof receiver !== 'string'
      if (here) handler = receiver
      await call('forward', { url: here ? 'http://localhost/webhooks' : receiver, secret, here })
    },
    stop: async () => {
      await call('stop', null)
      await thread.terminate()
    },
  }
}

let lastId = 0
const nextId = (): number => ++lastId

/** The events of a customer that no test has taken yet. */
class EventBuffer {
  readonly #client: AdminClient
  readonly #customer: TestCustomer
  readonly #waiting: AnyEvent[] = []
  #position: number

  constructor(client: AdminClient, customer: TestCustomer, position: number) {
    this.#client = client
    this.#customer = customer
    this.#position = position
  }

  async next<Type extends EventType>(
    type: Type,
    matches: (event: EventOf<Type>) => boolean,
    timeoutMs: number,
  ): Promise<EventOf<Type>> {
    const until = performance.now() + timeoutMs
    for (;;) {
      const at = this.#waiting.findIndex((event) => event.type === type && matches(event as EventOf<Type>))
      const [found] = at < 0 ? [] : this.#waiting.splice(at, 1)
      if (found !== undefined) return found as EventOf<Type>
      const leftMs = until - performance.now()
      if (leftMs <= 0) throw new Error(`no ${type} has come in ${timeoutMs} ms: ${this.#whatCame()}`)
      await this.#read(Math.min(WAIT_SECONDS, leftMs / 1_000))
    }
  }

  async #read(wait: number): Promise<void> {
    const after = this.#position
    const { project, environment, tenant } = this.#customer
    const path = { project, environment, tenant }
    const { data, error } = await this.#client.GET(EVENTS, { params: { path, query: { after, wait, limit: 500 } } })
    if (data === undefined) throw new Error(`the events cannot be read: ${error?.detail}`)
    // Two that wait at the same time read the same page.
    if (this.#position !== after) return
    this.#waiting.push(...(data.items as readonly AnyEvent[]))
    this.#position = data.next
  }

  #whatCame(): string {
    const types = this.#waiting.map(({ type }) => type)
    return types.length === 0 ? 'nothing came' : `there are ${types.join(', ')}`
  }
}
