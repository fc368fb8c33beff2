import type { Client } from 'undici'
import { clientsFor, closedLoop, dispatch, type Measured } from '../programs/closed-loop.ts'
import type { Call, Place } from '../workloads/workload.ts'
import {
  addMembers,
  type Directory,
  newGroup,
  onceCases,
  type PeerCase,
  peerCases,
  peerUser,
  peerUsers,
} from './cases.ts'

// The client of all servers that are compared, a process of its own. It fills each through its own interface and remembers the
// ids that it was given.

/** Where a server is and how to talk to it. */
export interface Target {
  readonly name: string
  readonly origin: string
  readonly base: string
  readonly token: string
}

/** What to do next, with which server. */
export type Task = { readonly target: Target; readonly groups: readonly number[] } & (
  | { readonly do: 'fill' }
  | { readonly do: 'ask-once' }
  | { readonly do: 'measure'; readonly case: number; readonly durationMs: number }
)

/** What a server was asked for and did not do, in words. */
export interface Refusal {
  readonly cannot: string
}

/** What came of a task; `doing` says how far it is and is followed by more. */
export type Reply =
  | { readonly doing: string; readonly done: number; readonly of: number }
  | { readonly filled: { readonly users: number; readonly seconds: number } }
  | { readonly asked: readonly (Refusal | 'yes')[] }
  | { readonly measured: Measured | Refusal }
  | { readonly error: string }

interface Known {
  readonly directory: Directory & { readonly users: string[]; readonly groups: Map<number, string> }
  /** Why a group is not there, by the number of its members. */
  readonly refused: Map<number, string>
}

class Refused extends Error {}

const FILLERS = 16
/** Members in one PATCH while filling; fewer where a server does not take so many. */
const AT_ONCE = 1_000
const FEWER = 100
const known = new Map<string, Known>()
const turns = new Map<string, number[]>()

process.on('message', (task: Task) => {
  perform(task).then(
    (reply) => process.send?.(reply),
    (error: unknown) => process.send?.({ error: `${task.target.name}: ${error}` }),
  )
})

async function perform(task: Task): Promise<Reply> {
  const { target, groups } = task
  if (task.do === 'fill') return { filled: await fill(target, groups) }
  if (task.do === 'ask-once') {
    const asked: (Refusal | 'yes')[] = []
    for (const one of onceCases) {
      const answer = await orRefusal(() => send(target, clientsFor(target.origin, 1)[0] as Client, one, FIRST))
      asked.push(answer ?? 'yes')
    }
    return { asked }
  }
  const one = peerCases(groups)[task.case]
  if (one === undefined) throw new Error(`there is no case ${task.case}`)
  return { measured: await orRefusal(() => measure(target, one, task.durationMs)) }
}

const FIRST: Place = { connection: 0, connections: 1, turn: 0 }

async function orRefusal<Done>(work: () => Promise<Done>): Promise<Done | Refusal> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Refused) return { cannot: error.message }
    throw error
  }
}

async function measure(target: Target, one: PeerCase, durationMs: number): Promise<Measured> {
  const { connections } = one
  const key = `${target.name} ${one.workload} ${one.name}`
  const counts = turns.get(key) ?? []
  turns.set(key, counts)
  return closedLoop(target.origin, { connections, durationMs, perConnection: null }, (client, connection) => {
    const turn = counts[connection] ?? 0
    counts[connection] = turn + 1
    return send(target, client, one, { connection, connections, turn })
  })
}

/** Sends one request. @throws Refused where it is not answered as it should be */
async function send(target: Target, client: Client, one: PeerCase, turn: Place): Promise<void> {
  const { directory, refused } = knownOf(target)
  const why = one.group === undefined ? undefined : refused.get(one.group)
  if (why !== undefined) throw new Refused(why)
  const check = turn.turn === 0 ? one.check : undefined
  const answer = await request(target, client, one.call(directory, turn), check !== undefined)
  try {
    check?.(answer.text, directory, turn)
  } catch (error) {
    throw new Refused(error instanceof Error ? inShort(error.message) : String(error))
  }
}

async function request(target: Target, client: Client, { method, path, body }: Call, whole: boolean) {
  const type = 'application/scim+json'
  const headers = { authorization: `Bearer ${target.token}`, accept: type, 'content-type': type }
  const once = () => dispatch(client, { method, path, body: body ?? null, headers }, whole)
  // A server may close an idle connection just when a request sets out: like any client, this one tries again.
  const again = (error: { readonly code?: string }) => (error.code === 'ECONNRESET' ? once() : Promise.reject(error))
  const answer = await once()
    .catch(again)
    .catch((error: unknown) => {
      throw new Refused(`no answer: ${error instanceof Error ? inShort(error.message) : error}`)
    })
  if (answer.status > 299) throw new Refused(`${answer.status} ${detailOf(answer.text)}`.trim())
  return answer
}

/** What an error says for people. */
function detailOf(text: string): string {
  try {
    const { detail, message } = JSON.parse(text) as { detail?: string; message?: string }
    return inShort(detail ?? message ?? text)
  } catch {
    return inShort(text.replaceAll(/<[^>]*>/g, ' '))
  }
}

const inShort = (text: string) => text.replaceAll(/\s+/g, ' ').trim().slice(0, 120)

function knownOf({ name, base }: Target): Known {
  const there = known.get(name) ?? { directory: { base, users: [], groups: new Map() }, refused: new Map() }
  known.set(name, there)
  return there
}

/** Makes the users and, one after the other, the groups. */
async function fill(target: Target, groups: readonly number[]): Promise<{ users: number; seconds: number }> {
  const { directory, refused } = knownOf(target)
  const { base, users } = directory
  const count = peerUsers(groups)
  const clients = clientsFor(target.origin, FILLERS)
  const make = async (client: Client, path: string, body: string) =>
    (JSON.parse((await request(target, client, { method: 'POST', path, body }, true)).text) as { id: string }).id
  const begun = performance.now()
  let next = 0
  await Promise.all(
    clients.map(async (client) => {
      while (next < count) {
        const index = next++
        users[index] = await make(client, `${base}/Users`, JSON.stringify(peerUser(index)))
        if (index % 100 === 0) process.send?.({ doing: `filling ${target.name}: users`, done: index, of: count })
      }
    }),
  )
  const seconds = (performance.now() - begun) / 1_000
  const [client] = clients as [Client]
  for (const members of groups) {
    const id = await make(client, `${base}/Groups`, newGroup(members))
    directory.groups.set(members, id)
    const add = (from: number, to: number) => {
      process.send?.({ doing: `filling ${target.name}: members`, done: from, of: members })
      const body = addMembers(users.slice(from, to))
      return orRefusal(() => request(target, client, { method: 'PATCH', path: `${base}/Groups/${id}`, body }, false))
    }
    let atOnce = AT_ONCE
    for (let from = 0; from < members && !refused.has(members); ) {
      const to = Math.min(from + atOnce, members)
      const done = await add(from, to)
      if (!('cannot' in done)) from = to
      else if (atOnce > FEWER) atOnce = FEWER
      else refused.set(members, `no group of ${members} members: ${done.cannot}`)
    }
  }
  return { users: count, seconds }
}
