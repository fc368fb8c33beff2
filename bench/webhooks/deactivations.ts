import { setTimeout as pause } from 'node:timers/promises'
import { idOf } from '../population.ts'
import { clientsFor, dispatch } from '../programs/closed-loop.ts'
import type { Progress } from '../progress.ts'
import { patchOf } from '../workloads/groups.ts'
import { newPerson, ours } from '../workloads/users.ts'
import { shortNumber } from '../workloads/workload.ts'
import type { BenchTenant } from '../world.ts'
import { steadyMs, type WebhookBench } from './measure.ts'

/** From sending the PATCH to the event at the receiver, in ms; and what else the gateway did. */
export interface DeactivationResult {
  readonly deactivations: number
  readonly p50: number
  readonly p99: number
  readonly longest: number
  readonly deactivationsPerSecond: number
  readonly createsPerSecond: number
  /** In a closed loop, as many as the machine can do beside that. */
  readonly lookUpsPerSecond: number
}

const DEACTIVATIONS_PER_SECOND = 20
/** For each deactivation. */
const CREATES = 4
/** Nobody else changes every so many-th person, from the fourth on. */
const EVERY = 8
const ARRIVED_MS = 15_000
const CONNECTIONS = 16

/**
 * Deactivates users at a steady pace, while others are created at a steady pace and 16 connections look users up as fast as
 * they can; one webhook wants all events.
 */
export async function measureDeactivations(bench: WebhookBench, progress: Progress): Promise<DeactivationResult> {
  const { load, options, origin, world, withWebhooks, received } = bench
  const tenant = world.sizes.at(-1) as BenchTenant
  // Each user once: of the second time no event would come.
  const seconds = Math.min(options.quick ? 3 : 15, Math.floor(tenant.users / EVERY / DEACTIVATIONS_PER_SECOND))
  progress.step('webhooks: from deactivation to delivery')
  return withWebhooks(tenant.key, 1, async () => {
    await pause(1_500)
    await received()
    const lookUps = load.run({
      ...{ workload: 'look-up-userName', case: shortNumber(tenant.users), side: 'ours', origin },
      ...{ durationMs: (seconds + 1) * 1_000, perConnection: null },
    })
    const sent = await paced(bench, tenant, seconds)
    const { requests, elapsedMs } = await lookUps
    const times: number[] = []
    for (const until = steadyMs() + ARRIVED_MS; times.length < sent.size && steadyMs() < until; await pause(50)) {
      for (const [id, at] of (await received()).deactivated) {
        const begun = sent.get(id)
        if (begun !== undefined) times.push(at - begun)
      }
    }
    if (times.length < sent.size) throw new Error(`${times.length} of ${sent.size} deactivations arrived`)
    times.sort((a, b) => a - b)
    const quantile = (q: number) => times[Math.min(times.length - 1, Math.floor(times.length * q))] ?? 0
    return {
      ...{ deactivations: times.length, p50: quantile(0.5), p99: quantile(0.99), longest: times.at(-1) ?? 0 },
      ...{ deactivationsPerSecond: sent.size / seconds, createsPerSecond: (CREATES * sent.size) / seconds },
      lookUpsPerSecond: (requests * 1_000) / elapsedMs,
    }
  })
}

/** Sends writes at their pace, whether those before are answered or not; gives when each deactivation was sent. */
async function paced(
  { origin, world }: WebhookBench,
  tenant: BenchTenant,
  seconds: number,
): Promise<Map<string, number>> {
  const clients = clientsFor(origin, CONNECTIONS)
  const type = 'application/scim+json'
  const headers = { authorization: `Bearer ${world.apiKey}`, accept: type, 'content-type': type }
  const sent = new Map<string, number>()
  const answers: Promise<void>[] = []
  const send = async (number: number, method: 'POST' | 'PATCH', path: string, body: string) => {
    const client = clients[number % CONNECTIONS] as (typeof clients)[number]
    const { status, text } = await dispatch(client, { method, path, body, headers }, false)
    if (status > 299) throw new Error(`${method} ${path} was answered ${status} ${text.slice(0, 500)}`)
  }
  const begun = steadyMs()
  const writes = seconds * DEACTIVATIONS_PER_SECOND * (CREATES + 1)
  for (let number = 0; number < writes; number++) {
    const due = begun + (number * 1_000 * seconds) / writes
    const early = due - steadyMs()
    if (early > 0) await pause(early)
    if (number % (CREATES + 1) > 0) {
      const body = newPerson('ours', { world, connection: 0, connections: 1, turn: number }, tenant, 'paced-')
      answers.push(send(number, 'POST', ours(world, tenant, '/Users'), body))
      continue
    }
    const id = idOf(tenant.id, EVERY * (number / (CREATES + 1)) + 3)
    sent.set(id, steadyMs())
    const body = patchOf({ op: 'replace', path: 'active', value: false })
    answers.push(send(number, 'PATCH', ours(world, tenant, `/Users/${id}`), body))
  }
  await Promise.all(answers)
  return sent
}
