import { setTimeout as pause } from 'node:timers/promises'
import { type Admin, adminAt } from '../admin.ts'
import { type Bench, median, rate } from '../measure.ts'
import { gatewayEnv } from '../prepare.ts'
import { startGateway, startReceiver } from '../processes.ts'
import type { Measured } from '../programs/closed-loop.ts'
import type { Received } from '../programs/receiver.ts'
import type { Progress } from '../progress.ts'
import { shortNumber } from '../workloads/workload.ts'
import type { World } from '../world.ts'
import { type DeactivationResult, measureDeactivations } from './deactivations.ts'

/** Creates per second while so many webhooks want every event; medians of the rounds. */
export interface WebhookWrites {
  readonly endpoints: number
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  /** To the creates per second of the same round without a webhook. */
  readonly ratio: number
  /** Messages that the receivers took in the meantime. */
  readonly messagesPerSecond: number
}

/** How quickly a queue that has grown long is sent. */
export interface WebhookDrain {
  readonly endpoints: number
  readonly messages: number
  readonly perSecond: number
}

/** What webhooks cost, and how soon they arrive. */
export interface WebhooksResult {
  readonly writes: readonly WebhookWrites[]
  readonly drains: readonly WebhookDrain[]
  readonly deactivations: DeactivationResult
}

const ENDPOINTS = [0, 1, 10]
/** So long it takes until the gateway has seen that there are webhooks. */
const NOTICED_MS = 1_200
const NUMBERED_MS = 2_500
const DRAIN_TIMEOUT_MS = 120_000

/** What the steps of this part share. */
export interface WebhookBench extends Bench {
  readonly origin: string
  readonly admin: Admin
  /** What came since the last time. */
  received(): Promise<Received>
  /** Runs `work` while `count` webhooks of the tenant want all its events. */
  withWebhooks<Found>(tenant: string, count: number, work: (ids: readonly string[]) => Promise<Found>): Promise<Found>
}

/** Measures a gateway of its own that sends to a receiver, another process of this machine. */
export async function measureWebhooks(bench: Bench, databaseUrl: string, progress: Progress): Promise<WebhooksResult> {
  progress.begin(roundsOf(bench.options) * ENDPOINTS.length + 3)
  const env = { ...gatewayEnv(databaseUrl), DELIVERY_NETWORKS: '127.0.0.0/8' }
  const gateway = await startGateway(env, bench.options.gateway)
  const receiver = await startReceiver()
  const admin = adminAt(gateway.origin)
  const parts: WebhookBench = {
    ...bench,
    ...{ origin: gateway.origin, admin },
    received: async () => (await (await fetch(receiver.origin)).json()) as Received,
    withWebhooks: async (tenant, count, work) => {
      const place = `/tenants/${tenant}/webhooks`
      const ids: string[] = []
      for (let i = 0; i < count; i++) {
        ids.push((await admin<{ id: string }>('POST', place, { url: `${receiver.origin}/${i}` })).id)
      }
      try {
        return await work(ids)
      } finally {
        for (const id of ids) await admin('DELETE', `${place}/${id}`)
      }
    },
  }
  try {
    return {
      writes: await measureWrites(parts, progress),
      drains: [await measureDrain(parts, 1, progress), await measureDrain(parts, 10, progress)],
      deactivations: await measureDeactivations(parts, progress),
    }
  } finally {
    await gateway.stop()
    await receiver.stop()
  }
}

/** A quick run has the time for one: the waiting is the most of it. */
const roundsOf = ({ quick, rounds }: Bench['options']) => (quick ? 1 : rounds)

const smallest = ({ sizes }: World) => sizes[0] as World['sizes'][number]

function create({ load, world, origin }: WebhookBench, how: { durationMs: number; perConnection: number | null }) {
  const name = shortNumber(smallest(world).users)
  return load.run({ workload: 'create', case: name, side: 'ours', origin, ...how })
}

/** Creates, with each number of webhooks in turn in every round; what is queued goes with the webhooks. */
async function measureWrites(bench: WebhookBench, progress: Progress): Promise<WebhookWrites[]> {
  const { options, world } = bench
  const windows = ENDPOINTS.map((): (Measured & { messages: number })[] => [])
  await create(bench, { durationMs: options.warmUpMs, perConnection: null })
  for (let round = 0; round < roundsOf(options); round++) {
    for (let i = 0; i < ENDPOINTS.length; i++) {
      const at = (i + round) % ENDPOINTS.length
      const endpoints = ENDPOINTS[at] as number
      progress.step(`webhooks: creates with ${endpoints}, round ${round + 1}`)
      const measured = await bench.withWebhooks(smallest(world).key, endpoints, async () => {
        await pause(NOTICED_MS)
        await bench.received()
        const window = await create(bench, { durationMs: 2 * options.windowMs, perConnection: null })
        return { ...window, messages: (await bench.received()).messages }
      })
      windows[at]?.push(measured)
    }
  }
  return ENDPOINTS.map((endpoints, at) => {
    const mine = windows[at] ?? []
    const of = (read: (window: (typeof mine)[number], round: number) => number) => median(mine.map(read))
    return {
      ...{ endpoints, perSecond: of(rate), p50: of(({ p50 }) => p50), p99: of(({ p99 }) => p99) },
      ratio: of((window, round) => rate(window) / rate(windows[0]?.[round] ?? window)),
      messagesPerSecond: of(({ messages, elapsedMs }) => (messages * 1_000) / elapsedMs),
    }
  })
}

/** Makes events while nobody wants them, then has all of them sent again to webhooks that are new. */
async function measureDrain(bench: WebhookBench, endpoints: number, progress: Progress): Promise<WebhookDrain> {
  const { options, world, admin, received, withWebhooks } = bench
  const { key } = smallest(world)
  progress.step(`webhooks: a backlog for ${endpoints}`)
  const since = new Date().toISOString()
  const perConnection = Math.ceil((options.quick ? 480 : 16_000) / endpoints / 16)
  await create(bench, { durationMs: DRAIN_TIMEOUT_MS, perConnection })
  await pause(NUMBERED_MS)
  return withWebhooks(key, endpoints, async (ids) => {
    await pause(NOTICED_MS)
    await received()
    const begun = steadyMs()
    const replay = (id: string) => admin<{ queued: number }>('POST', `/tenants/${key}/webhooks/${id}/replay`, { since })
    const queued = (await Promise.all(ids.map(replay))).reduce((sum, answer) => sum + answer.queued, 0)
    let messages = 0
    let lastAt = begun
    while (messages < queued) {
      if (steadyMs() - begun > DRAIN_TIMEOUT_MS) throw new Error(`${messages} of ${queued} messages within two minutes`)
      await pause(50)
      const more = await received()
      messages += more.messages
      lastAt = Math.max(lastAt, more.lastAt)
    }
    return { endpoints, messages, perSecond: (messages * 1_000) / (lastAt - begun) }
  })
}

/** The machine's steady clock, which its processes share. */
export const steadyMs = (): number => Number(process.hrtime.bigint()) / 1e6
