import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRemoteJWKSet, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose'

/** A Security Event Token as a receiver reads it, verified by what its issuer publishes. Nothing here is the gateway's code. */
export interface ReceivedSet {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly header: { readonly typ?: string; readonly alg?: string; readonly kid?: string }
  readonly claims: SetPayload
  /** The one event URI, and what the event says. */
  readonly uri: string
  readonly event: Record<string, unknown>
}

export type SetPayload = JWTPayload & {
  readonly jti: string
  readonly txn: string
  readonly sub_id: Record<string, string>
  readonly events: Record<string, Record<string, unknown>>
}

/** What a receiver answers: a status, or a refusal. */
export type SetAnswering = (set: ReceivedSet) => SetAnswer | Promise<SetAnswer>
export type SetAnswer = number | 'no answer' | { readonly err: string; readonly description: string }

/** A receiver of pushed tokens (RFC 8935), with as many paths as the test needs. */
export interface SetReceiver {
  readonly origin: string
  /** All that came, in the order of coming, whatever was answered. */
  readonly got: ReceivedSet[]
  at(path: string): ReceivedSet[]
  /** Those that were answered with 202. */
  taken(path: string): ReceivedSet[]
  answer(path: string, how: SetAnswering): void
  close(): Promise<void>
}

/** Verifies a token as any receiver would: signature by the published keys, type, issuer, and audience where it is given. */
export function setVerifier(issuer: string) {
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
  return async (text: string, audience?: string): Promise<Omit<ReceivedSet, 'path' | 'headers'>> => {
    const options = { issuer, typ: 'secevent+jwt', ...(audience === undefined ? {} : { audience }) }
    const { payload } = await jwtVerify<SetPayload>(text, keys, options)
    const [[uri, event] = ['', {}], ...more] = Object.entries(payload.events)
    if (more.length > 0) throw new Error('more than one event')
    return { text, header: decodeProtectedHeader(text), claims: payload as SetPayload, uri, event }
  }
}

export async function openSetReceiver(issuer: string): Promise<SetReceiver> {
  const verify = setVerifier(issuer)
  const got: ReceivedSet[] = []
  const taken: ReceivedSet[] = []
  const answers = new Map<string, SetAnswering>()
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const path = incoming.url ?? ''
    const refuse = (err: string, description: string) => {
      outgoing.writeHead(400, { 'Content-Type': 'application/json' }).end(JSON.stringify({ err, description }))
    }
    try {
      const set = { path, headers: incoming.headers, ...(await verify(Buffer.concat(chunks).toString())) }
      got.push(set)
      const answer = (await answers.get(path)?.(set)) ?? 202
      if (answer === 'no answer') return void incoming.socket.destroy()
      if (typeof answer === 'object') return refuse(answer.err, answer.description)
      if (answer === 202) taken.push(set)
      outgoing.writeHead(answer, answer === 302 ? { Location: '/elsewhere' } : {}).end()
    } catch (error) {
      refuse('invalid_key', String(error))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const of = (list: ReceivedSet[], path: string) => list.filter((set) => set.path === path)
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    got,
    at: (path) => of(got, path),
    taken: (path) => of(taken, path),
    answer: (path, how) => answers.set(path, how),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
