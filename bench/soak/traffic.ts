import type { SoakTenant, SoakWorld } from './world.ts'
import { sleep } from './world.ts'

/** What a client knows of a user of its own, by what was acknowledged. */
export interface Known {
  readonly userName: string
  title: string | undefined
  active: boolean
  there: boolean
  /** A write had no clear answer: it was done or it was not. */
  unsure: boolean
}

/** An answered request. */
export interface Timed {
  readonly at: number
  readonly ms: number
}

/** What the traffic of one tenant has found. */
export interface TenantTraffic {
  readonly tenant: SoakTenant
  readonly users: Map<string, Known>
  /** Requests with a clear answer. */
  readonly times: Timed[]
  acknowledged: number
  /** Writes and reads that were answered 429 or 503. */
  refused: number
  unanswered: number
  /** Answers that are wrong: lost writes, other tenants' data, statuses that nobody should get. */
  readonly wrong: string[]
}

const CLIENTS = 3
const BREATH_MS = 25
const AGAIN_MS = 200
/** Users of one client; the oldest go. */
const KEPT = 40
const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'

export const newTraffic = (tenant: SoakTenant): TenantTraffic => ({
  ...{ tenant, users: new Map(), times: [], acknowledged: 0, refused: 0, unanswered: 0, wrong: [] },
})

/** Names of tenants in a text, but for that of `own`: what no answer to it may have. */
export const foreignIn = (text: string, own: string): string[] => [
  ...new Set([...text.matchAll(/\btenant\d+(?=~)/g)].map(([name]) => name).filter((name) => name !== own)),
]

type Answer = { readonly status: number; readonly text: string } | 'refused' | 'unanswered'

/** Sends one request to an instance, and notes its time, and what is wrong with its answer. */
async function ask(
  world: SoakWorld,
  traffic: TenantTraffic,
  client: number,
  method: string,
  path: string,
  body?: object,
  tenant = traffic.tenant.name,
): Promise<Answer> {
  const { headers, name } = traffic.tenant
  const begun = performance.now()
  try {
    const answer = await fetch(`${world.instance(client).origin}/scim/v2/default/dev/v2/${tenant}${path}`, {
      ...{ method, headers, signal: AbortSignal.timeout(30_000) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    const { status } = answer
    for (const foreign of foreignIn(text, name)) traffic.wrong.push(`${method} ${path} of ${name} showed ${foreign}`)
    if (status === 429 || status === 503) {
      traffic.refused++
      // 503 may come after the change, as where the connection to the database was lost at its commit.
      return status === 429 ? 'refused' : 'unanswered'
    }
    if (status >= 500 || status === 408) {
      if (status >= 500) traffic.wrong.push(`${method} ${path} of ${name} was answered ${status} ${text.slice(0, 200)}`)
      return 'unanswered'
    }
    traffic.times.push({ at: begun, ms: performance.now() - begun })
    return { status, text }
  } catch {
    traffic.unanswered++
    return 'unanswered'
  }
}

/** Users of a client come, change and go, and are read between; other tenants' users are asked for, too. */
async function client(
  world: SoakWorld,
  traffic: TenantTraffic,
  others: readonly TenantTraffic[],
  number: number,
  over: () => boolean,
): Promise<void> {
  const { name } = traffic.tenant
  const own: string[] = []
  const send = (method: string, path: string, body?: object, tenant?: string) =>
    ask(world, traffic, number, method, path, body, tenant)
  const unexpected = (what: string, answer: Exclude<Answer, string>) =>
    traffic.wrong.push(`${what} of ${name} was answered ${answer.status} ${answer.text.slice(0, 200)}`)

  /** Changes a user; `done` notes what it then is. */
  const change = async (id: string, method: string, body: object | undefined, done: (known: Known) => void) => {
    const known = traffic.users.get(id) as Known
    const answer = await send(method, `/Users/${id}`, body)
    if (answer === 'unanswered') known.unsure = true
    if (typeof answer === 'string') return
    if (answer.status < 300) {
      traffic.acknowledged++
      done(known)
    } else if (!(answer.status === 404 && known.unsure)) unexpected(`${method} of a user`, answer)
  }

  for (let n = 0; !over(); n++) {
    const userName = `${name}~${number}-${n}`
    const made = await send('POST', '/Users', { schemas: [USER], userName })
    if (typeof made === 'string') {
      await sleep(AGAIN_MS)
      continue
    }
    if (made.status !== 201) {
      unexpected('a create', made)
      continue
    }
    const { id } = JSON.parse(made.text) as { id: string }
    traffic.acknowledged++
    traffic.users.set(id, { userName, title: undefined, active: true, there: true, unsure: false })
    own.push(id)
    const operations = (path: string, value: unknown) => ({
      ...{ schemas: [PATCH], Operations: [{ op: 'replace', path, value }] },
    })
    await change(id, 'PATCH', operations('title', `Title ${n}`), (known) => {
      known.title = `Title ${n}`
    })
    if (n % 2 === 0) {
      await change(id, 'PATCH', operations('active', false), (known) => {
        known.active = false
      })
    }
    const found = await send('GET', `/Users?filter=${encodeURIComponent(`userName eq "${userName}"`)}`)
    if (typeof found !== 'string' && !found.text.includes(id)) {
      traffic.wrong.push(`${userName} was acknowledged, and is not found`)
    }
    if (n % 5 === 0) await send('GET', '/Users?count=50')
    if (n % 7 === 0) await foreignReads(traffic, others[n % others.length], send)
    if (own.length > KEPT) {
      const oldest = own.shift() as string
      await change(oldest, 'DELETE', undefined, (known) => {
        known.there = false
      })
    }
    await sleep(BREATH_MS)
  }
}

/** Neither a user of another tenant, nor that tenant itself, is there for this tenant's key. */
async function foreignReads(
  { wrong, tenant }: TenantTraffic,
  other: TenantTraffic | undefined,
  send: (method: string, path: string, body?: object, tenant?: string) => Promise<Answer>,
): Promise<void> {
  const id = other?.users.keys().next().value
  if (other === undefined || id === undefined) return
  const here = await send('GET', `/Users/${id}`)
  if (typeof here !== 'string' && here.status !== 404)
    wrong.push(`${tenant.name} asked for a user of ${other.tenant.name} and was answered ${here.status}`)
  const there = await send('GET', `/Users/${id}`, undefined, other.tenant.name)
  if (typeof there !== 'string' && there.status !== 403)
    wrong.push(`${tenant.name} asked ${other.tenant.name} for a user and was answered ${there.status}`)
}

/** Lets all clients of all tenants work until `over`. */
export async function runTraffic(world: SoakWorld, all: readonly TenantTraffic[], over: () => boolean): Promise<void> {
  await Promise.all(
    all.flatMap((traffic, t) => {
      const others = all.filter((one) => one !== traffic)
      return Array.from({ length: CLIENTS }, (_, i) => client(world, traffic, others, t * CLIENTS + i, over))
    }),
  )
}

/** What is not as it was acknowledged. Of a write without a clear answer either is right. */
export async function lostWrites(world: SoakWorld, traffic: TenantTraffic): Promise<string[]> {
  const lost: string[] = []
  for (const [id, { userName, title, active, there, unsure }] of traffic.users) {
    if (unsure) continue
    const answer = await ask(world, traffic, 0, 'GET', `/Users/${id}`)
    if (typeof answer === 'string') {
      lost.push(`${userName} cannot be read`)
      continue
    }
    if (!there) {
      if (answer.status !== 404) lost.push(`${userName} was deleted, and is answered ${answer.status}`)
      continue
    }
    const user = answer.status === 200 ? (JSON.parse(answer.text) as Record<string, unknown>) : undefined
    if (user?.userName !== userName || user.title !== title || user.active !== active)
      lost.push(`${userName} should have title ${title} and active ${active}, and is ${answer.text.slice(0, 200)}`)
  }
  return lost
}
