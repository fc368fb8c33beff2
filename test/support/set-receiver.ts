import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose'

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

/** What the issuer says of itself, by the URL that SSF 1.0 §7.2 makes of its name. */
export async function issuerMetadata(issuer: string): Promise<{ readonly issuer: string; readonly jwks_uri: string }> {
  const { origin, pathname } = new URL(issuer)
  const answer = await fetch(`${origin}/.well-known/ssf-configuration${pathname === '/' ? '' : pathname}`)
  if (!answer.ok) throw new Error(`${issuer} says nothing of itself: ${answer.status}`)
  return (await answer.json()) as Awaited<ReturnType<typeof issuerMetadata>>
}

/**
 * Makes what verifies a token as a receiver does: the signature by the keys that its issuer publishes, the type, the issuer, and
 * the audience where one is given. It takes any issuer of `gateway`; the test asks which one a token names.
 */
export function setVerifier(gateway: string) {
  const known = new Map<string, ReturnType<typeof createRemoteJWKSet>>()
  const keysOf = async (issuer: string) => {
    const metadata = await issuerMetadata(issuer)
    if (!issuer.startsWith(`${gateway}/`) || metadata.issuer !== issuer) throw new Error(`${issuer} is nobody's name`)
    const keys = createRemoteJWKSet(new URL(metadata.jwks_uri))
    known.set(issuer, keys)
    return keys
  }
  return async (text: string, audience?: string): Promise<Omit<ReceivedSet, 'path' | 'headers'>> => {
    const { iss: issuer = '' } = decodeJwt(text)
    const options = { issuer, typ: 'secevent+jwt', ...(audience === undefined ? {} : { audience }) }
    const { payload } = await jwtVerify<SetPayload>(text, known.get(issuer) ?? (await keysOf(issuer)), options)
    const [[uri, event] = ['', {}], ...more] = Object.entries(payload.events)
    if (more.length > 0) throw new Error('more than one event')
    return { text, header: decodeProtectedHeader(text), claims: payload as SetPayload, uri, event }
  }
}

export async function openSetReceiver(gateway: string): Promise<SetReceiver> {
  const verify = setVerifier(gateway)
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
